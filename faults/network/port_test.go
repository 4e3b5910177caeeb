package network_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/snapback/snapback/faults/network"
)

func TestAFreePortIsNoneThatOthersGet(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		free, err := network.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if number, err := strconv.Atoi(free); err != nil || number < 1024 || number >= 32_768 {
			t.Errorf("want a port below those that the kernel chooses, got %s", free)
		}
		if seen[free] {
			t.Errorf("got port %s twice", free)
		}
		seen[free] = true
		listener, err := net.Listen("tcp", "127.0.0.1:"+free)
		if err != nil {
			t.Fatalf("the port is not free: %v", err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
