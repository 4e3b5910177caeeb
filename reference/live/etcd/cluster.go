package etcd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/proxy"
)

// Bounds on one call.
const (
	requestTimeout = time.Second
	answerMax      = 64 << 20 // the size of the largest answer, in bytes
)

// cluster holds the endpoints of an etcd. Each endpoint can serve every call. A cluster is safe for
// concurrent use.
type cluster struct {
	client    *http.Client
	endpoints []string
	preferred atomic.Int64 // the index of the endpoint that is asked first, modulo the number of endpoints
}

func newCluster(endpoints []string) *cluster {
	c := &cluster{client: &http.Client{Transport: &http.Transport{DialContext: dial}}}
	for _, endpoint := range endpoints {
		if !strings.Contains(endpoint, "://") {
			endpoint = "http://" + endpoint
		}
		c.endpoints = append(c.endpoints, strings.TrimSuffix(endpoint, "/"))
	}
	return c
}

// unreachableError is the failure to connect. Nothing was sent.
type unreachableError struct{ error }

func (e unreachableError) Unwrap() error { return e.error }

func dial(ctx context.Context, _, address string) (net.Conn, error) {
	connection, err := proxy.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, unreachableError{err}
	}
	return connection, nil
}

// call sends a request to an endpoint and decodes the response. After a failure the next
// request goes to the next endpoint. The failed request itself goes there only if nothing
// was sent: otherwise etcd may have carried the request out, and must not do so twice.
func (c *cluster) call(method string, request, response any) (err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	for range c.endpoints {
		asked := c.preferred.Load()
		endpoint := c.endpoints[asked%int64(len(c.endpoints))]
		if err = c.post(ctx, endpoint+"/v3/"+method, body, response); err == nil {
			return nil
		}
		c.preferred.CompareAndSwap(asked, asked+1)
		if unreachable := (unreachableError{}); !errors.As(err, &unreachable) {
			break
		}
	}
	return err
}

func (c *cluster) post(ctx context.Context, url string, body []byte, response any) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	data, err := io.ReadAll(io.LimitReader(answer.Body, answerMax))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", url, answer.Status, bytes.TrimSpace(data))
	}
	if err := json.Unmarshal(data, response); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}
