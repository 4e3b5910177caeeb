package etcd_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/environment/environmenttest"
	"github.com/snapback/snapback/reference/live/etcd"
	"github.com/snapback/snapback/reference/live/etcd/server"
)

func TestTheStoreOnARealEtcd(t *testing.T) {
	etcdServer, err := server.Serve("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer etcdServer.Close()
	store, err := etcd.Connect([]string{"http://" + etcdServer.Clients[0].Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := environmenttest.Check(store, time.Sleep); err != nil {
		t.Error(err)
	}
}

func TestAnEtcdThatIsNotThereIsSaidSo(t *testing.T) {
	if _, err := etcd.Connect([]string{"http://127.0.0.1:1"}); err == nil || !strings.Contains(err.Error(), "no etcd answers at [http://127.0.0.1:1]") {
		t.Errorf("got %v", err)
	}
}

// endpoint starts a server that imitates etcd, and returns its URL. The server has no keys. It
// counts the transactions, and onTransaction answers them.
func endpoint(t *testing.T, transactions *atomic.Int64, onTransaction func(http.ResponseWriter)) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v3/kv/txn" {
			_, _ = w.Write([]byte(`{}`))
			return
		}
		transactions.Add(1)
		onTransaction(w)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func succeed(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"succeeded":true}`)) }

func TestAnEndpointThatRefusesConnectionsIsPassedOver(t *testing.T) {
	var transactions atomic.Int64
	store, err := etcd.Connect([]string{"http://127.0.0.1:1", endpoint(t, &transactions, succeed)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Put(1, "a", 0, []byte("1")); err != nil || transactions.Load() != 1 {
		t.Errorf("got %v after %d transactions", err, transactions.Load())
	}
}

// The first endpoint may have carried out the write. If the store repeated the write, the second
// endpoint would report a conflict.
func TestAWriteWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	var first, second atomic.Int64
	lose := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	store, err := etcd.Connect([]string{endpoint(t, &first, lose), endpoint(t, &second, succeed)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Put(1, "a", 0, []byte("1")); !errors.Is(err, environment.ErrUnknown) || first.Load() != 1 || second.Load() != 0 {
		t.Errorf("got %v after %d and %d transactions", err, first.Load(), second.Load())
	}
	if err := store.Put(1, "a", 0, []byte("1")); err != nil || second.Load() != 1 {
		t.Errorf("the next write goes to the next endpoint: got %v after %d transactions there", err, second.Load())
	}
}
