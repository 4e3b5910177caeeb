// Package etcd implements the highly available store on an etcd cluster.
//
// A leader holds a key with a lease. Its term is the revision at which the key was created. Every
// write is a transaction that first checks that this key still exists.
//
// The package speaks the JSON form of etcd's interface, over HTTP. Every etcd since 3.4 offers this
// form, unless it was started with --enable-grpc-gateway=false. Etcd's own client would link gRPC
// into each process of the engine, and double the time that a process needs to start.
//
// Start with [Connect].
package etcd

import (
	"fmt"
	"sync"
	"time"

	"github.com/snapback/snapback/reference/environment"
)

// prefix is the prefix of all keys of the store. So other programs can use the same cluster for
// other keys.
const prefix = "/snapback/"

const leaderKey = prefix + "leader"

// Store is the store on an etcd cluster. It implements [environment.Store]. It is safe for
// concurrent use.
type Store struct {
	cluster *cluster

	mu     sync.Mutex
	leases map[int64]int64 // the ids of leases; the key is the term
}

// Connect returns the store on the cluster with the given endpoints. It fails if none of them
// answers. The environment variable ALL_PROXY may name a proxy. Then the store reaches the
// endpoints through this proxy.
func Connect(endpoints []string) (*Store, error) {
	s := &Store{cluster: newCluster(endpoints), leases: map[int64]int64{}}
	var err error
	for range endpoints {
		if _, err = s.Leader(); err == nil {
			return s, nil
		}
	}
	s.Close()
	return nil, fmt.Errorf("no etcd answers at %v: %w", endpoints, err)
}

// Close ends the connections.
func (s *Store) Close() { s.cluster.client.CloseIdleConnections() }

// get returns a slice that holds the given key with its value. If the key does not exist, the slice
// is empty.
func (s *Store) get(key string) ([]keyValue, error) {
	var got rangeResponse
	err := s.cluster.call("kv/range", rangeRequest{Key: []byte(key)}, &got)
	return got.KVs, err
}

// Get implements [environment.Store].
func (s *Store) Get(key string) ([]byte, int64, error) {
	found, err := s.get(prefix + key)
	if err != nil || len(found) == 0 {
		return nil, 0, err
	}
	return found[0].Value, found[0].ModRevision, nil
}

// List implements [environment.Store].
func (s *Store) List(keys string) ([]string, error) {
	end := []byte(prefix + keys)
	end[len(end)-1]++ // the first key after all keys that have the prefix
	var got rangeResponse
	err := s.cluster.call("kv/range", rangeRequest{Key: []byte(prefix + keys), RangeEnd: end, KeysOnly: true}, &got)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, kv := range got.KVs {
		all = append(all, string(kv.Key)[len(prefix):])
	}
	return all, nil
}

// Put implements [environment.Store].
func (s *Store) Put(term int64, key string, revision int64, value []byte) error {
	change := operation{Put: &putRequest{Key: []byte(prefix + key), Value: value}}
	if value == nil {
		change = operation{Delete: &deleteRequest{Key: []byte(prefix + key)}}
	}
	var done transactionResponse
	err := s.cluster.call("kv/txn", transaction{
		Compare: []comparison{created(leaderKey, term), modified(prefix+key, revision)},
		Success: []operation{change},
		Failure: []operation{{Range: &rangeRequest{Key: []byte(leaderKey)}}},
	}, &done)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", environment.ErrUnknown, err)
	case done.Succeeded:
		return nil
	case done.leaderCreated() != term:
		return environment.ErrDeposed
	}
	return environment.ErrConflict
}

// Campaign implements [environment.Store].
func (s *Store) Campaign(leader string, lease time.Duration) (int64, error) {
	var granted leaseMessage
	seconds := int64((lease + time.Second - 1) / time.Second)
	if err := s.cluster.call("lease/grant", leaseMessage{Seconds: seconds}, &granted); err != nil {
		return 0, err
	}
	var done transactionResponse
	err := s.cluster.call("kv/txn", transaction{
		Compare: []comparison{created(leaderKey, 0)},
		Success: []operation{{Put: &putRequest{Key: []byte(leaderKey), Value: []byte(leader), Lease: granted.ID}}},
	}, &done)
	if err == nil && done.Succeeded {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.leases[done.Header.Revision] = granted.ID
		return done.Header.Revision, nil
	}
	// If the answer was lost, this process may lead without knowing it. The next call revokes the
	// lease and so ends the leadership. If this call fails, too, the lease ends by itself after its
	// time.
	_ = s.cluster.call("lease/revoke", leaseMessage{ID: granted.ID}, &struct{}{})
	if err != nil {
		return 0, err
	}
	return 0, environment.ErrTaken
}

// Renew implements [environment.Store].
func (s *Store) Renew(term int64) error {
	found, err := s.get(leaderKey)
	if err != nil {
		return err
	}
	if len(found) == 0 || found[0].CreateRevision != term {
		return environment.ErrDeposed
	}
	s.mu.Lock()
	lease := s.leases[term]
	s.mu.Unlock()
	var renewed struct{ Result leaseMessage }
	if err := s.cluster.call("lease/keepalive", leaseMessage{ID: lease}, &renewed); err != nil {
		return err
	}
	if renewed.Result.Seconds == 0 { // the lease has ended, and its key with it
		return environment.ErrDeposed
	}
	return nil
}

// Leader implements [environment.Store].
func (s *Store) Leader() (string, error) {
	found, err := s.get(leaderKey)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return string(found[0].Value), nil
}
