// Package s3proxy is an S3 server that passes everything on to another one, by the tap:
// for engines that we did not write, and that keep their checkpoints in S3.
//
// It knows requests by their paths, as in /bucket/key, and reads no more of them; whoever
// signs them signs for the proxy's address, which is passed on as it is.
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
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
)

// listMax bounds the listing that is looked into, in bytes.
const listMax = 16 << 20

// New returns a handler that passes requests on to the server at a URL. Who names the
// process that does an operation, if that can be known.
func New(to *url.URL, taps *tap.Tap, who func(tap.Operation) string) http.Handler {
	p := &proxy{tap: taps, who: who}
	p.reverse = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			r.Out.Host = r.In.Host // for which it was signed
		},
		ModifyResponse: p.answer,
		// A client that was killed is no matter for a log.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return p
}

type proxy struct {
	tap     *tap.Tap
	who     func(tap.Operation) string
	reverse *httputil.ReverseProxy
}

// operation says what a request does.
func operation(r *http.Request) tap.Operation {
	query := r.URL.Query()
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	o := tap.Operation{Name: "s3://" + bucket + "/" + key}
	part := query.Has("uploadId") || query.Has("uploads")
	switch r.Method {
	case http.MethodPut:
		if o.Kind = faults.Put; part {
			o.Kind = faults.Create // a part, which nobody sees
		}
	case http.MethodPost:
		switch {
		case query.Has("delete"):
			o.Kind = faults.Delete
		case query.Has("uploadId"):
			o.Kind = faults.Put // all parts become an object
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
	switch {
	case i.Stopped:
		panic(http.ErrAbortHandler)
	case i.Action == faults.Fail || i.Action == faults.Leave:
		refuse(w, http.StatusInternalServerError, "InternalError", "a fault: "+i.String())
		return
	case i.Action == faults.Throttle:
		refuse(w, http.StatusServiceUnavailable, "SlowDown", "a fault: "+i.String())
		return
	case i.Action == faults.Refuse:
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed", "a fault: "+i.String())
		return
	case i.Action == faults.Delay:
		time.Sleep(time.Duration(i.Amount))
	}
	p.reverse.ServeHTTP(w, r.WithContext(withFault(r.Context(), i.Fault)))
	if p.tap.After(o) {
		panic(http.ErrAbortHandler)
	}
}

// refuse answers as S3 does when it does not do what it was asked.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message) // to a client that may be gone
}

// The entries of a listing, and the key of one.
var (
	contents = regexp.MustCompile(`(?s)<Contents>.*?</Contents>`)
	keyOf    = regexp.MustCompile(`<Key>(.*?)</Key>`)
)

// answer changes what the server answered, if a fault wants that.
func (p *proxy) answer(response *http.Response) error {
	fault := faultOf(response.Request.Context())
	body := response.Body
	switch fault.Action {
	case faults.Lose:
		_ = body.Close()
		panic(http.ErrAbortHandler) // it was done, and nobody is told
	case faults.Truncate, faults.Flip:
		response.Body = tap.Spoil(fault, body)
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

// cut is a body of which something else is read.
type cut struct {
	io.Reader
	io.Closer
}
