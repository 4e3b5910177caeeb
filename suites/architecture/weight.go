package architecture

import (
	"fmt"
	"strings"
)

// Heavy is a library that some packages must not link, not even through other packages.
type Heavy struct {
	Path string // path of the library; a path that ends with a slash means all libraries below it
	Why  string
}

// slow lists the libraries that make a program start slowly. The times are processor time at each
// start, for a library with everything that it imports. An empty program needs 1.2 ms on the same
// machine.
var slow = []Heavy{
	{"google.golang.org/grpc", "2.7 ms at each start: it registers itself and its protocol buffers"},
	{"github.com/envoyproxy/", "Google Cloud Storage's library links all types of Envoy: 6 ms"},
	{"cloud.google.com/go/storage", "it links gRPC and Envoy's types; storage/filesystem/object speaks JSON"},
	{"gocloud.dev", "it links gRPC and OpenTelemetry: 1.3 ms"},
	{"go.opentelemetry.io/", "0.5 ms, for traces that nobody collects"},
	{"go.etcd.io/", "3.3 ms for the client, 8 ms for the server; reference/live/etcd speaks JSON"},
	{"github.com/testcontainers/", "6.8 ms; it is in snapback-full"},
	{"github.com/moby/", "1.4 ms; it is in snapback-full"},
}

// foreign lists the libraries on which a user of the harness must not depend. These are the slow
// libraries, the libraries of object stores and HDFS, and the libraries of tests.
var foreign = append([]Heavy{
	{"github.com/aws/", "S3's library; only storage/filesystem/schemes leads to it"},
	{"github.com/Azure/", "Azure's library; only storage/filesystem/schemes leads to it"},
	{"golang.org/x/oauth2", "Google's credentials; only storage/filesystem/schemes leads to it"},
	{"github.com/colinmarc/", "HDFS's library; only storage/filesystem/schemes leads to it"},
	{"github.com/Shopify/toxiproxy", "only faults/network, between the processes of a target, needs it"},
	{"github.com/onsi/", "only suites test with it"},
}, slow...)

// Weights says, for each package, which libraries it must not link.
var Weights = map[string][]Heavy{
	Module + "/cmd/snapback":   slow,
	Module + "/harness/target": foreign,
	Module + "/harness/run":    foreign,
}

// TooHeavy returns a sentence for each banned library that a package links. The parameters are the
// path of the package, everything that the package links, and the banned libraries.
func TooHeavy(of string, linked []string, banned []Heavy) []string {
	var refused []string
	for _, heavy := range banned {
		for _, path := range linked {
			if path == heavy.Path || strings.HasPrefix(path, strings.TrimSuffix(heavy.Path, "/")+"/") {
				refused = append(refused, fmt.Sprintf("%s links %s: %s", of, path, heavy.Why))
				break
			}
		}
	}
	return refused
}
