package flink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

const (
	restTimeout   = 60 * time.Second
	answerMax     = 16 << 20 // bytes
	electionRetry = 50 * time.Millisecond
)

// rest is a client of Flink's REST API.
type rest struct {
	url    string
	client http.Client
	ready  func(context.Context) error // waits until the cluster can be asked; nil: it always can
	sets   chan func()                 // functions of faults, which the client runs while it waits for an answer; nil if no fault can fire
}

func newREST(url string) *rest { return &rest{url: url, client: http.Client{Timeout: restTimeout}} }

// statusError is the error for an answer whose HTTP status is an error.
type statusError struct {
	Code int
	Text string
}

func (e *statusError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.Code, e.Text) }

// leaderless says whether nothing was done, because the JobManager had no leader. The answer to a
// submission has another status than that to other requests: there, only the text says so.
func (e *statusError) leaderless() bool {
	return e.Code == http.StatusServiceUnavailable || strings.Contains(e.Text, "RecipientUnreachableException")
}

// call sends the value request as JSON, and decodes the answer as JSON. Both may be nil: then it
// sends no body, or ignores the body of the answer.
func (r *rest) call(ctx context.Context, method, path string, request, answer any) error {
	var encoded []byte
	if request != nil {
		var err error
		if encoded, err = json.Marshal(request); err != nil {
			return err
		}
	}
	return r.onceElected(ctx, func() error {
		var body io.Reader
		if request != nil {
			body = bytes.NewReader(encoded)
		}
		return r.send(ctx, method, path, "application/json", body, answer)
	})
}

// freeSlots returns the number of slots that no job uses.
func (r *rest) freeSlots(ctx context.Context) (int, error) {
	var overview struct {
		Available int `json:"slots-available"`
	}
	err := r.call(ctx, http.MethodGet, "/overview", nil, &overview)
	return overview.Available, err
}

func (r *rest) send(ctx context.Context, method, path, contentType string, body io.Reader, answer any) error {
	response, err := r.open(ctx, method, path, contentType, body)
	if err != nil {
		return err
	}
	defer func() { _ = response.Close() }() // nothing was written to it
	if answer == nil {
		return nil
	}
	return json.NewDecoder(io.LimitReader(response, answerMax)).Decode(answer)
}

func (r *rest) do(request *http.Request) (response *http.Response, err error) {
	r.serving(func() {
		response, err = r.client.Do(request) //nolint:bodyclose // the caller closes it
	})
	return response, err
}

// serving calls wait(), which waits for the cluster. Meanwhile it runs the functions of faults.
func (r *rest) serving(wait func()) { serve(r.sets, wait) }

// serve calls wait(). Until wait() returns, serve runs the functions that come through the channel.
func serve(sets <-chan func(), wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait()
	}()
	for {
		select {
		case set := <-sets:
			set()
		case <-done:
			return
		}
	}
}

// open sends a request and returns the body of the answer. It fails if the status of the answer is
// an error.
func (r *rest) open(ctx context.Context, method, path, contentType string, body io.Reader) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := r.do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode < http.StatusBadRequest {
		return response.Body, nil
	}
	defer func() { _ = response.Body.Close() }() // nothing was written to it
	data, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s %s: %w", method, path, &statusError{response.StatusCode, errorText(data)})
}

// log returns complete lines of the JobManager's log, and the position in bytes at which the last
// of these lines ends. It skips the bytes before the given position. It must read the whole log,
// because the API cannot return a part of the log.
func (r *rest) log(ctx context.Context, after int64) (lines []string, end int64, err error) {
	body, err := r.open(ctx, http.MethodGet, "/jobmanager/log", "", nil)
	if err != nil {
		return nil, after, err
	}
	defer func() { _ = body.Close() }() // nothing was written to it
	if _, err := io.CopyN(io.Discard, body, after); err != nil {
		return nil, after, fmt.Errorf("the JobManager's log has become shorter: %w", err)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, after, err
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	if len(whole) > 0 {
		lines = strings.Split(string(whole[:len(whole)-1]), "\n")
	}
	return lines, after + int64(len(whole)), nil
}

// errorText returns the causes in the stack trace of an error answer.
func errorText(data []byte) string {
	var answer struct{ Errors []string }
	if err := json.Unmarshal(data, &answer); err != nil || len(answer.Errors) == 0 {
		return string(data)
	}
	return causes(strings.Join(answer.Errors, "\n"))
}

// causes returns the causes that a Java stack trace names. If the trace names no cause, causes
// returns the text before the trace.
func causes(trace string) string {
	var why []string
	for _, line := range strings.Split(trace, "\n") {
		if cause, ok := strings.CutPrefix(strings.TrimSpace(line), "Caused by: "); ok {
			why = append(why, cause)
		}
	}
	if len(why) == 0 {
		first, _, _ := strings.Cut(strings.TrimSpace(trace), "\n\tat ")
		return first
	}
	return strings.Join(why, "; ")
}

// upload uploads a jar and returns its id.
func (r *rest) upload(ctx context.Context, jar string) (string, error) {
	data, err := os.ReadFile(jar)
	if err != nil {
		return "", err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("jarfile", filepath.Base(jar))
	if err != nil {
		return "", err
	}
	if _, err := part.Write(data); err != nil {
		return "", err
	}
	if err := form.Close(); err != nil {
		return "", err
	}
	var answer struct{ Filename string }
	err = r.onceElected(ctx, func() error {
		return r.send(ctx, http.MethodPost, "/jars/upload", form.FormDataContentType(), bytes.NewReader(body.Bytes()), &answer)
	})
	if err != nil {
		return "", err
	}
	return path.Base(answer.Filename), nil
}

func (r *rest) untilReady(ctx context.Context) error {
	if r.ready == nil {
		return nil
	}
	return r.ready(ctx)
}

// onceElected calls ask(), and calls it again while Flink answers that it has no leader. A cluster
// that has just started, or that elects another leader, gives this answer.
func (r *rest) onceElected(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	for {
		if err := r.untilReady(ctx); err != nil {
			return err
		}
		err := ask()
		var status *statusError
		if !errors.As(err, &status) || !status.leaderless() {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(electionRetry):
		}
	}
}
