// Package server runs a small etcd cluster in this process. The cluster has one member.
//
// It is a package of its own because etcd's server is large. A program that only uses a store does
// not need to link the server.
//
// Start with [Serve].
package server

import (
	"errors"
	"net"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// startTimeout is the longest time that the server may need until it answers.
const startTimeout = 30 * time.Second

// Serve starts a server of one member that listens at host:port and keeps its data in a
// directory. It returns when the server answers. Close ends the server.
func Serve(address, dir string) (*embed.Etcd, error) {
	address, err := withPort(address)
	if err != nil {
		return nil, err
	}
	config := embed.NewConfig()
	config.Dir, config.LogLevel, config.Logger = dir, "error", "zap"
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	client, err := url.Parse("http://" + address)
	if err != nil {
		return nil, err
	}
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:0"} // no other member exists
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.TickMs, config.ElectionMs = 10, 100
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
		return server, nil
	case err := <-server.Err():
		return nil, err
	case <-time.After(startTimeout):
		server.Close()
		return nil, errors.New("etcd: not ready after " + startTimeout.String())
	}
}

// withPort replaces port 0 of an address by a free port. Etcd's JSON interface connects to
// etcd at the address that it was configured with, so etcd itself cannot choose the port.
func withPort(address string) (string, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
