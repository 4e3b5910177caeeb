// Command snapback-full is snapback with two libraries that make a program slow to start:
// testcontainers for --runtime containers, and etcd's server for several JobManagers. If a command
// needs one of these libraries, snapback runs snapback-full instead.
package main

import (
	"github.com/snapback/snapback/cmd/internal/commandline"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/flink/containers"
	"github.com/snapback/snapback/reference/live/etcd/server"
)

func main() {
	commandline.Main(&commandline.Heavy{
		Containers: func(image string) flink.Place { return containers.Place{Image: image} },
		Etcd: func(address, dir string) (string, func(), error) {
			etcd, err := server.Serve(address, dir)
			if err != nil {
				return "", nil, err
			}
			return etcd.Clients[0].Addr().String(), etcd.Close, nil
		},
	})
}
