package process_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/snapback/snapback/harness/internal/process"
)

func TestAFreePortIsNoneThatTheKernelGivesToOthers(t *testing.T) {
	for range 50 {
		port, err := process.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if port < 1024 || port >= 32_768 {
			t.Errorf("want a port below those that the kernel chooses, got %d", port)
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatalf("the port is not free: %v", err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
