package s3proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/s3proxy"
	"github.com/snapback/snapback/faults/tap"
)

// The tests of the faults with a real S3 server are in suites/storage.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "done: "+r.Method+" "+r.URL.Path)
	}))
	defer server.Close()
	to, _ := url.Parse(server.URL)
	taps := tap.New(nil)
	fault, _ := faults.Parse(`(Throttle 1 (On (Put "*/_metadata")))`)
	_ = taps.Arm(fault, nil, func(o tap.Operation) bool {
		fmt.Println("fired at", o)
		return false
	})
	proxy := httptest.NewServer(s3proxy.New(to, taps, func(tap.Operation) string { return "" }))
	defer proxy.Close()
	for range 2 {
		request, _ := http.NewRequest(http.MethodPut, proxy.URL+"/bucket/chk-1/_metadata", strings.NewReader("x"))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		fmt.Println(response.StatusCode, string(body))
	}
	// Output:
	// fired at Put s3://bucket/chk-1/_metadata
	// 503 <Error><Code>SlowDown</Code><Message>a fault: (Throttle 1 (On (Put "*/_metadata")))</Message></Error>
	// 200 done: PUT /bucket/chk-1/_metadata
}
