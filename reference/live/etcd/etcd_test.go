package etcd_test

import (
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/environment/environmenttest"
	"github.com/snapback/snapback/reference/live/etcd"
)

func TestTheStoreOnARealEtcd(t *testing.T) {
	server, err := etcd.Serve("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	store, err := etcd.Connect([]string{"http://" + server.Clients[0].Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	if err := environmenttest.Check(store, time.Sleep); err != nil {
		t.Error(err)
	}
}

func TestAnEtcdThatIsNotThereIsSaidSo(t *testing.T) {
	if _, err := etcd.Connect([]string{"http://127.0.0.1:1"}); err == nil || !strings.Contains(err.Error(), "no etcd answers at [http://127.0.0.1:1]") {
		t.Errorf("got %v", err)
	}
}
