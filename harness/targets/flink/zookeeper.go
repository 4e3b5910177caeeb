package flink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/snapback/snapback/faults/network"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/storage/filesystem"
)

const (
	// zooKeeper is the name of the process of ZooKeeper.
	zooKeeper = "zookeeper"

	// zooKeeperTick is the unit of ZooKeeper's times.
	zooKeeperTick = 500 * time.Millisecond

	// sessionTimeout is the time after which ZooKeeper takes a silent JobManager for dead. It is the
	// least time of a few ticks, because a killed leader leads until then.
	sessionTimeout = 8 * zooKeeperTick
)

// startZooKeeper starts the ZooKeeper that is part of Flink. It adds the settings with which Flink
// finds the ZooKeeper.
func (c *cluster) startZooKeeper(ctx context.Context, settings map[string]string) error {
	listen, at, err := c.zooKeeperAddress()
	if err != nil {
		return err
	}
	file, err := c.configureZooKeeper(listen)
	if err != nil {
		return err
	}
	command, err := c.java(zooKeeper, "", []string{"-Xmx64m"}, "org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer", "--zkConfigFile", file, "--peerId", "1")
	if err != nil {
		return err
	}
	server, err := c.starter.Start(c.dir, zooKeeper, command)
	if err != nil {
		return err
	}
	if c.connections != nil {
		c.connections.started(zooKeeper, zooKeeper, server)
	}
	maps.Copy(settings, map[string]string{
		"high-availability.type":                                "zookeeper",
		"high-availability.cluster-id":                          "/snapback",
		"high-availability.storageDir":                          filesystem.URL(filepath.Join(c.dir, "ha")),
		"high-availability.zookeeper.quorum":                    at,
		"high-availability.zookeeper.client.session-timeout":    millis(sessionTimeout),
		"high-availability.zookeeper.client.connection-timeout": millis(sessionTimeout),
		"high-availability.zookeeper.client.retry-wait":         "100ms",
	})
	maps.Copy(settings, c.spec.Settings)
	return untilListening(ctx, server, listen)
}

// configureZooKeeper writes the configuration of ZooKeeper, and returns the path of the file.
func (c *cluster) configureZooKeeper(listen string) (file string, err error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	data := filepath.Join(c.dir, zooKeeper)
	file = filepath.Join(data, "zoo.cfg")
	text := fmt.Sprintf("tickTime=%d\ndataDir=%s\nclientPort=%s\nclientPortAddress=%s\nadmin.enableServer=false\n",
		zooKeeperTick.Milliseconds(), data, port, host)
	return file, errors.Join(
		os.MkdirAll(data, 0o755), os.WriteFile(file, []byte(text), 0o644),
		os.MkdirAll(c.configDir(), 0o755), os.WriteFile(c.log4j(), log4j, 0o644),
	)
}

// untilListening waits until a process listens at an address.
func untilListening(ctx context.Context, server *process.Process, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address); err == nil {
			return connection.Close()
		}
		if err := server.Ended(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to listen at %s: %w; see %s", server.Name(), address, ctx.Err(), server.Log)
		case <-time.After(pollEvery):
		}
	}
}

// zooKeeperAddress returns the address at which ZooKeeper must listen, and the address at which the
// processes of Flink reach it.
func (c *cluster) zooKeeperAddress() (listen, at string, err error) {
	if c.connections == nil {
		free, err := network.FreePort()
		address := net.JoinHostPort(loopback, free)
		return address, address, err
	}
	place := c.connections.place(zooKeeper)
	port, err := c.connections.network.Front(place, c.connections.dialer)
	return net.JoinHostPort(place.Behind, strconv.Itoa(port)), net.JoinHostPort(place.Front, strconv.Itoa(port)), err
}
