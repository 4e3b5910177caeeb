// Package s3proxy is an S3 server that passes each request through a tap, which applies faults to
// it (package tap), and on to another S3 server. It serves other engines, such as Flink, that keep
// their checkpoints in S3.
//
// The proxy looks only at the method, the query and the path of a request. The path must have the
// form /bucket/key. A client signs its requests for the proxy's address. The proxy passes that
// address on unchanged, so the signature stays valid.
//
// Start with [New].
package s3proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
)

// listMax is the size of the largest listing from which the proxy can leave a name out, in bytes.
const listMax = 16 << 20

// New returns a handler that passes requests on to the server at a URL. To learn which process does
// an operation, the handler calls the function `who`, with an operation that has only a kind and a
// name. If the process is unknown, `who` returns an empty name.
func New(to *url.URL, taps *tap.Tap, who func(tap.Operation) string) http.Handler {
	taps.Offers = offers
	p := &proxy{tap: taps, who: who}
	p.reverse = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			r.Out.Host = r.In.Host // the client's signature covers the header Host
		},
		ModifyResponse: p.answer,
		// Without this handler, ReverseProxy would log a line about each client that was killed.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return p
}

type proxy struct {
	tap     *tap.Tap
	who     func(tap.Operation) string
	reverse *httputil.ReverseProxy
}

// operation returns the operation on storage for which a request asks.
func operation(r *http.Request) tap.Operation {
	query := r.URL.Query()
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	o := tap.Operation{Name: "s3://" + bucket + "/" + key}
	part := query.Has("uploadId") || query.Has("uploads")
	switch r.Method {
	case http.MethodPut:
		if o.Kind = faults.Put; part {
			o.Kind = faults.Create // a part of an upload, which no reader sees
		}
	case http.MethodPost:
		switch {
		case query.Has("delete"):
			o.Kind = faults.Delete
		case query.Has("uploadId"):
			o.Kind = faults.Put // this request joins the uploaded parts into an object
		default:
			o.Kind = faults.Open
		}
	case http.MethodDelete:
		o.Kind = faults.Delete
	case http.MethodHead:
		o.Kind = faults.Stat
	default:
		if o.Kind = faults.Get; key == "" {
			o.Kind = faults.List
			o.Name += query.Get("prefix")
		}
	}
	return o
}

// ServeHTTP implements [http.Handler].
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := operation(r)
	o.Process = p.who(o)
	i := p.tap.Before(&o)
	if i == nil {
		i = &tap.Intervention{}
	}
	if i.Stopped {
		panic(http.ErrAbortHandler)
	}
	switch action := i.Action.(type) {
	case faults.Fail:
		status, code := http.StatusInternalServerError, "InternalError"
		if action.Errno == syscall.ENOENT {
			status, code = http.StatusNotFound, "NoSuchKey"
		}
		refuse(w, status, code, "a fault: "+i.String())
		return
	case faults.Leave:
		refuse(w, http.StatusInternalServerError, "InternalError", "a fault: "+i.String())
		return
	case faults.Throttle:
		refuse(w, http.StatusServiceUnavailable, "SlowDown", "a fault: "+i.String())
		return
	case faults.Refuse:
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed", "a fault: "+i.String())
		return
	case faults.Delay:
		time.Sleep(action.Wait)
	}
	p.reverse.ServeHTTP(w, r.WithContext(withAction(r.Context(), i.Action)))
	if p.tap.After(o) {
		panic(http.ErrAbortHandler)
	}
}

// offers says whether the proxy can apply an action to a request. The other actions are of files
// only.
func offers(action faults.Action) bool {
	switch action.(type) {
	case faults.Fail, faults.Leave, faults.Throttle, faults.Refuse, faults.Delay, faults.Lose, faults.Truncate, faults.Flip, faults.Stale:
		return true
	}
	return false
}

// refuse answers as S3 does when it refuses a request.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message) // an error does not matter: the client may be gone
}

// Patterns for an entry of a listing, and for the key in an entry.
var (
	contents = regexp.MustCompile(`(?s)<Contents>.*?</Contents>`)
	keyOf    = regexp.MustCompile(`<Key>(.*?)</Key>`)
)

// answer changes the server's answer if the request carries the action of a fault.
func (p *proxy) answer(response *http.Response) error {
	body := response.Body
	switch action := actionOf(response.Request.Context()).(type) {
	case faults.Lose:
		_ = body.Close()
		panic(http.ErrAbortHandler) // the server has carried out the request, but the client gets no answer
	case faults.Truncate, faults.Flip:
		response.Body = tap.Spoil(action, body)
	case faults.Stale:
		list, err := io.ReadAll(io.LimitReader(body, listMax))
		if err != nil {
			return err
		}
		bucket, _, _ := strings.Cut(strings.TrimPrefix(response.Request.URL.Path, "/"), "/")
		list = contents.ReplaceAllFunc(list, func(entry []byte) []byte {
			if key := keyOf.FindSubmatch(entry); key != nil && p.tap.Unlisted("s3://"+bucket+"/"+string(key[1])) {
				return nil
			}
			return entry
		})
		response.Body = cut{bytes.NewReader(list), body}
		response.ContentLength = int64(len(list))
		response.Header.Set("Content-Length", strconv.Itoa(len(list)))
	}
	return nil
}

// cut takes the place of the body of a response: Read returns other data, and Close closes the
// body.
type cut struct {
	io.Reader
	io.Closer
}
