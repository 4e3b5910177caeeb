// Package etcd implements the highly available store on etcd. It connects to an etcd cluster, or
// starts an etcd server with one member in this process.
//
// A leader holds a key with a lease. Its term is the revision at which the key was created. Every
// write is a transaction that first checks that this key still exists.
//
// Start with [Connect] and [Serve].
package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"golang.org/x/net/proxy"
	"google.golang.org/grpc"

	"github.com/snapback/snapback/reference/environment"
)

// Timeouts.
const (
	dialTimeout    = 5 * time.Second
	requestTimeout = time.Second
	startTimeout   = 30 * time.Second
)

// prefix is the prefix of all keys, so that others can use the same cluster.
const prefix = "/snapback/"

const leaderKey = prefix + "leader"

// Store is a store on an etcd cluster. It implements [environment.Store].
type Store struct {
	client *clientv3.Client
	leases map[int64]clientv3.LeaseID // by term; only one task at a time campaigns and renews
}

// Connect returns the store on the cluster with the given endpoints. It fails if no endpoint
// answers. It connects through the proxy that the variable ALL_PROXY names.
func Connect(endpoints []string) (*Store, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, DialTimeout: dialTimeout, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return proxy.Dial(ctx, "tcp", address)
		})},
	})
	if err != nil {
		return nil, err
	}
	s := &Store{client: client, leases: map[int64]clientv3.LeaseID{}}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	if _, err := client.Get(ctx, leaderKey); err != nil {
		_ = client.Close() // it was not used
		return nil, fmt.Errorf("no etcd answers at %v: %w", endpoints, err)
	}
	return s, nil
}

// Close ends the connection.
func (s *Store) Close() error { return s.client.Close() }

func request() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), requestTimeout)
}

// Get implements [environment.Store].
func (s *Store) Get(key string) ([]byte, int64, error) {
	ctx, cancel := request()
	defer cancel()
	got, err := s.client.Get(ctx, prefix+key)
	if err != nil || len(got.Kvs) == 0 {
		return nil, 0, err
	}
	return got.Kvs[0].Value, got.Kvs[0].ModRevision, nil
}

// List implements [environment.Store].
func (s *Store) List(keys string) ([]string, error) {
	ctx, cancel := request()
	defer cancel()
	got, err := s.client.Get(ctx, prefix+keys, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, err
	}
	var all []string
	for _, kv := range got.Kvs {
		all = append(all, string(kv.Key)[len(prefix):])
	}
	return all, nil
}

// Put implements [environment.Store].
func (s *Store) Put(term int64, key string, revision int64, value []byte) error {
	ctx, cancel := request()
	defer cancel()
	change := clientv3.OpPut(prefix+key, string(value))
	if value == nil {
		change = clientv3.OpDelete(prefix + key)
	}
	leads := clientv3.Compare(clientv3.CreateRevision(leaderKey), "=", term)
	done, err := s.client.Txn(ctx).
		If(leads, clientv3.Compare(clientv3.ModRevision(prefix+key), "=", revision)).
		Then(change).
		Else(clientv3.OpGet(leaderKey)).
		Commit()
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", environment.ErrUnknown, err)
	case done.Succeeded:
		return nil
	}
	if leader := done.Responses[0].GetResponseRange().Kvs; len(leader) == 0 || leader[0].CreateRevision != term {
		return environment.ErrDeposed
	}
	return environment.ErrConflict
}

// Campaign implements [environment.Store].
func (s *Store) Campaign(leader string, lease time.Duration) (int64, error) {
	ctx, cancel := request()
	defer cancel()
	granted, err := s.client.Grant(ctx, int64((lease+time.Second-1)/time.Second))
	if err != nil {
		return 0, err
	}
	done, err := s.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(leaderKey), "=", 0)).
		Then(clientv3.OpPut(leaderKey, leader, clientv3.WithLease(granted.ID))).
		Commit()
	if err == nil && done.Succeeded {
		s.leases[done.Header.Revision] = granted.ID
		return done.Header.Revision, nil
	}
	// If the answer was lost, this process may lead without knowing it. Revoke ends that, and if
	// Revoke fails too, the lease ends by itself.
	_, _ = s.client.Revoke(ctx, granted.ID)
	if err != nil {
		return 0, err
	}
	return 0, environment.ErrTaken
}

// Renew implements [environment.Store].
func (s *Store) Renew(term int64) error {
	ctx, cancel := request()
	defer cancel()
	got, err := s.client.Get(ctx, leaderKey)
	if err != nil {
		return err
	}
	if len(got.Kvs) == 0 || got.Kvs[0].CreateRevision != term {
		return environment.ErrDeposed
	}
	_, err = s.client.KeepAliveOnce(ctx, s.leases[term])
	return err
}

// Leader implements [environment.Store].
func (s *Store) Leader() (string, error) {
	ctx, cancel := request()
	defer cancel()
	got, err := s.client.Get(ctx, leaderKey)
	if err != nil || len(got.Kvs) == 0 {
		return "", err
	}
	return string(got.Kvs[0].Value), nil
}

// Serve starts an etcd server with one member that listens at host:port and keeps its data in a
// directory. It returns when the server answers. Close stops the server.
func Serve(address, dir string) (*embed.Etcd, error) {
	config := embed.NewConfig()
	config.Dir, config.LogLevel, config.Logger = dir, "error", "zap"
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	client, err := url.Parse("http://" + address)
	if err != nil {
		return nil, err
	}
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:0"} // there are no peers
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
