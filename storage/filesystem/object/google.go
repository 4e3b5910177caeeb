package object

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"
	oauth "golang.org/x/oauth2/google"
)

// googleScope is the permission that the program asks Google for.
const googleScope = "https://www.googleapis.com/auth/devstorage.read_write"

// Limits on requests to Google Cloud Storage.
const (
	googleTries     = 4
	googlePause     = 200 * time.Millisecond // pause before the second try; each later pause is twice as long as the previous pause
	googleReadAhead = 8 << 20                // number of bytes; a smaller object stays in memory and can be sent again after a failure
	googleErrorMax  = 4 << 10                // largest number of bytes that are read from the text of an error
)

// google implements the interface store with a bucket of Google Cloud Storage. It uses Google's
// JSON interface over HTTP. Google's own library is not used: it needs gRPC and Envoy's types,
// which would make the program 35 MB larger.
type google struct {
	client *http.Client
	base   string // URL of Google's service or of an emulator
	bucket string
}

// openGoogle opens a bucket with Google's application default credentials. An emulator needs no
// credentials.
func openGoogle(ctx context.Context, bucket string) (store, error) {
	if emulator := os.Getenv("STORAGE_EMULATOR_HOST"); emulator != "" {
		if !strings.Contains(emulator, "://") {
			emulator = "http://" + emulator
		}
		return google{http.DefaultClient, strings.TrimSuffix(emulator, "/"), bucket}, nil
	}
	credentials, err := oauth.FindDefaultCredentials(context.WithoutCancel(ctx), googleScope)
	if err != nil {
		return nil, err
	}
	return google{oauth2.NewClient(context.WithoutCancel(ctx), credentials.TokenSource), "https://storage.googleapis.com", bucket}, nil
}

// googleError is a response from Google that reports a failure.
type googleError struct {
	status int
	text   string
}

func (e *googleError) Error() string {
	return fmt.Sprintf("%d %s: %s", e.status, http.StatusText(e.status), e.text)
}

func (e *googleError) temporary() bool {
	return e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout || e.status >= http.StatusInternalServerError
}

// resource describes an object in the form of Google's JSON interface.
type resource struct {
	Name    string    `json:"name"`
	Size    int64     `json:"size,string"`
	Updated time.Time `json:"updated"`
}

func (r resource) object() object { return object{key: r.Name, size: r.Size, modified: r.Updated} }

// url returns the URL of an object. If the key is empty, it returns the URL that lists all objects.
func (g google) url(key string, query url.Values) string {
	at := g.base + "/storage/v1/b/" + g.bucket + "/o"
	if key != "" {
		at += "/" + url.PathEscape(key)
	}
	return at + "?" + query.Encode()
}

// do sends a request once. A response that reports a failure becomes an error.
func (g google) do(ctx context.Context, method, at, kind string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	answer, err := g.client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < http.StatusMultipleChoices {
		return answer, nil
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, googleErrorMax))
	return nil, errors.Join(&googleError{answer.StatusCode, string(bytes.TrimSpace(text))}, err, answer.Body.Close())
}

// retry calls the given function. If the function fails and the failure may be temporary, retry
// calls it again.
func retry(ctx context.Context, try func() (*http.Response, error)) (answer *http.Response, err error) {
	pause := googlePause
	for range googleTries {
		if answer, err = try(); err == nil {
			return answer, nil
		}
		if said := (*googleError)(nil); errors.As(err, &said) && !said.temporary() {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
		pause *= 2
	}
	return nil, err
}

// ask sends a request without a body. It decodes the response into result, unless result is nil.
func (g google) ask(ctx context.Context, method, at string, result any) error {
	answer, err := retry(ctx, func() (*http.Response, error) { return g.do(ctx, method, at, "", nil) })
	if err != nil {
		return err
	}
	if result != nil {
		err = json.NewDecoder(answer.Body).Decode(result)
	}
	return errors.Join(err, answer.Body.Close())
}

// put sends the name and the content of an object in one request (multipart/related). It keeps
// small content in memory, so that it can send the content again after a failure. It sends large
// content only once.
func (g google) put(ctx context.Context, key string, content io.Reader) error {
	start, err := io.ReadAll(io.LimitReader(content, googleReadAhead))
	if err != nil {
		return err
	}
	description, err := json.Marshal(map[string]string{"name": key, "contentType": contentType})
	if err != nil {
		return err
	}
	boundary := rand.Text() // the boundary is random, so the content practically never contains it
	head := "--" + boundary + "\r\nContent-Type: application/json\r\n\r\n" + string(description) +
		"\r\n--" + boundary + "\r\nContent-Type: " + contentType + "\r\n\r\n"
	at := g.base + "/upload/storage/v1/b/" + g.bucket + "/o?uploadType=multipart&ifGenerationMatch=0"
	send := func(rest io.Reader) (*http.Response, error) {
		body := io.MultiReader(strings.NewReader(head), bytes.NewReader(start), rest, strings.NewReader("\r\n--"+boundary+"--\r\n"))
		return g.do(ctx, http.MethodPost, at, "multipart/related; boundary="+boundary, body)
	}
	var answer *http.Response
	if len(start) == googleReadAhead {
		answer, err = send(content)
	} else {
		answer, err = retry(ctx, func() (*http.Response, error) { return send(http.NoBody) })
	}
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func (g google) get(ctx context.Context, key string) (io.ReadCloser, error) {
	answer, err := retry(ctx, func() (*http.Response, error) {
		return g.do(ctx, http.MethodGet, g.url(key, url.Values{"alt": {"media"}}), "", nil)
	})
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

func (g google) stat(ctx context.Context, key string) (object, error) {
	var found resource
	err := g.ask(ctx, http.MethodGet, g.url(key, nil), &found)
	return found.object(), err
}

func (g google) remove(ctx context.Context, key string) error {
	return g.ask(ctx, http.MethodDelete, g.url(key, nil), nil)
}

func (g google) list(ctx context.Context, prefix, token string) (page []object, next string, err error) {
	query := url.Values{"prefix": {prefix}, "delimiter": {"/"}}
	if token != "" {
		query.Set("pageToken", token)
	}
	var got struct {
		Items         []resource `json:"items"`
		Prefixes      []string   `json:"prefixes"`
		NextPageToken string     `json:"nextPageToken"`
	}
	err = g.ask(ctx, http.MethodGet, g.url("", query), &got)
	// A bucket without matching objects returns an empty list. So "not found" means that the bucket
	// is missing.
	if errors.Is(g.meaning(err), fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", errNoBucket, err)
	}
	if err != nil {
		return nil, "", err
	}
	for _, found := range got.Items {
		page = append(page, found.object())
	}
	for _, prefix := range got.Prefixes {
		page = append(page, object{key: prefix, directory: true})
	}
	return page, got.NextPageToken, nil
}

func (google) meaning(err error) error {
	var said *googleError
	switch {
	case errors.Is(err, errNoBucket):
		return errNoBucket
	case !errors.As(err, &said):
		return nil
	}
	switch said.status {
	case http.StatusNotFound:
		if strings.Contains(said.text, "bucket does not exist") {
			return errNoBucket
		}
		return fs.ErrNotExist
	case http.StatusPreconditionFailed:
		return fs.ErrExist
	case http.StatusForbidden, http.StatusUnauthorized:
		return fs.ErrPermission
	}
	return nil
}
