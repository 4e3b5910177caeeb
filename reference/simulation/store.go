package simulation

import (
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/reference/environment"
)

// store is the highly available store of a world: its values and its leader. It is linearizable,
// since operations happen one after the other.
type store struct {
	loseOneIn int          // a number N: on average, the answer to one of N writes is lost; 0: no answer is lost
	entries   []storeEntry // the keys and their values, ordered by key
	revision  int64
	leader    string
	term      int64
	lease     time.Duration
	expires   time.Duration
}

type storeEntry struct {
	key      string
	value    []byte
	revision int64
}

func (s *store) clone() *store {
	other := *s
	other.entries = slices.Clone(s.entries)
	return &other
}

func (s *store) find(key string) (int, bool) {
	return slices.BinarySearchFunc(s.entries, key, func(e storeEntry, key string) int { return strings.Compare(e.key, key) })
}

func (s *store) leads(term int64, now time.Duration) bool { return term == s.term && now < s.expires }

// put implements [environment.Store].Put.
func (s *store) put(term int64, now time.Duration, key string, revision int64, value []byte) error {
	at, found := s.find(key)
	var current int64
	if found {
		current = s.entries[at].revision
	}
	switch {
	case !s.leads(term, now):
		return environment.ErrDeposed
	case current != revision:
		return environment.ErrConflict
	case value == nil && found:
		s.entries = slices.Delete(s.entries, at, at+1)
		return nil
	case value == nil:
		return nil
	case !found:
		s.entries = slices.Insert(s.entries, at, storeEntry{key: key})
	}
	s.revision++
	s.entries[at].value, s.entries[at].revision = slices.Clone(value), s.revision
	return nil
}

// remoteStore is the world's store for one task. Each operation takes time and is done at the end
// of that time. If the process is killed meanwhile, the operation is never done.
type remoteStore struct{ task *task }

func (r remoteStore) wait() *store {
	t := r.task
	t.block(t.world.between(storeLatency))
	for t.world.network.cut[t.address.Process] {
		t.block(cutRetry)
	}
	return t.world.store
}

// lost says whether the answer to a write is lost, and whether the write itself is done.
func (r remoteStore) lost() (lose, do bool) {
	w := r.task.world
	switch {
	case w.loseAnswers > 0:
		w.loseAnswers--
	case w.store.loseOneIn == 0 || w.rand.IntN(w.store.loseOneIn) > 0:
		return false, true
	}
	return true, w.rand.IntN(2) == 0
}

func (r remoteStore) Get(key string) ([]byte, int64, error) {
	s := r.wait()
	at, found := s.find(key)
	if !found {
		return nil, 0, nil
	}
	return slices.Clone(s.entries[at].value), s.entries[at].revision, nil
}

func (r remoteStore) List(prefix string) ([]string, error) {
	var keys []string
	for _, e := range r.wait().entries {
		if strings.HasPrefix(e.key, prefix) {
			keys = append(keys, e.key)
		}
	}
	return keys, nil
}

func (r remoteStore) Put(term int64, key string, revision int64, value []byte) error {
	s := r.wait()
	lose, do := r.lost()
	var err error
	if do {
		err = s.put(term, r.task.world.now, key, revision, value)
	}
	if lose {
		return environment.ErrUnknown
	}
	return err
}

func (r remoteStore) Campaign(leader string, lease time.Duration) (int64, error) {
	s, now := r.wait(), r.task.world.now
	if now < s.expires {
		return 0, environment.ErrTaken
	}
	s.term++
	s.leader, s.lease, s.expires = leader, lease, now+lease
	return s.term, nil
}

func (r remoteStore) Renew(term int64) error {
	s, now := r.wait(), r.task.world.now
	if !s.leads(term, now) {
		return environment.ErrDeposed
	}
	s.expires = now + s.lease
	return nil
}

func (r remoteStore) Leader() (string, error) {
	s, now := r.wait(), r.task.world.now
	if now >= s.expires {
		return "", nil
	}
	return s.leader, nil
}
