// Package object is a [filesystem.FileSystem] on an object store: S3, Google Cloud
// Storage or Azure Blob Storage.
//
// An object appears whole, and durable, when its file is closed; it never replaces
// another, for it is put on the condition that there is none. Directories are only
// parts of names: making or syncing one does nothing, and one that holds nothing does
// not exist. Nothing is renamed.
//
// It is not a place for an engine's working files. What is NOT guaranteed: an upload
// in several parts that is aborted by the end of the process leaves its parts in the
// store, invisible, until the store's own rules remove them.
//
// Start with [Open].
package object

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/snapback/snapback/storage/filesystem"
)

// patience is how long an operation may take, or make no progress.
const patience = 15 * time.Second

// store is what the three stores have in common. An upload, a download and a list may need
// several requests; ctx ends them.
type store interface {
	// put stores what it reads under a key, unless the key has an object already. If the
	// context or the reader fails, no object appears.
	put(ctx context.Context, key string, content io.Reader) error
	get(ctx context.Context, key string) (io.ReadCloser, error)
	stat(ctx context.Context, key string) (object, error)
	// remove fails if there is no such object.
	remove(ctx context.Context, key string) error
	// list returns one page of the objects whose keys begin with a prefix, and the token of
	// the next page; an empty token is the first page's, and the last page returns one.
	// Keys that go on with a slash are one directory each.
	list(ctx context.Context, prefix, token string) (page []object, next string, err error)
	// meaning says which of errNoBucket, fs.ErrNotExist, fs.ErrExist and fs.ErrPermission
	// an error of the store stands for; nil if none.
	meaning(err error) error
}

// errNoBucket means that the bucket itself does not exist.
var errNoBucket = errors.New("no bucket")

// object is what a store knows about a key.
type object struct {
	key       string
	directory bool // the key ends with a slash
	size      int64
	modified  time.Time
}

// Bucket is one bucket or container.
type Bucket struct {
	name  string // as in s3://bucket
	store store
	seen  atomic.Bool // the bucket was there
}

// Open opens a bucket by a name of it, as in s3a://bucket, and the one that stands for
// all of them, as in s3://bucket or azblob://container@account. Credentials and endpoints
// come from the environment variables of the store's own tools (docs/storage.md). It does
// not yet talk to the store.
func Open(name, bucket string) (*Bucket, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b := &Bucket{name: name}
	scheme, at, _ := strings.Cut(bucket, "://")
	var err error
	switch scheme {
	case "s3":
		b.store, err = openS3(ctx, at)
	case "gs":
		b.store, err = openGoogle(ctx, at)
	case "azblob":
		container, account, _ := strings.Cut(at, "@")
		b.store, err = openAzure(container, account)
	default:
		err = fmt.Errorf("%s is no object store", bucket)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return b, nil
}

// key is the name of an object in the bucket; prefix that of a directory.
func (b *Bucket) key(name string) string { return strings.TrimPrefix(name, b.name+"/") }

func (b *Bucket) prefix(name string) string {
	if filesystem.IsRoot(name) {
		return ""
	}
	return b.key(name) + "/"
}

// CreatesWhole implements [filesystem.FileSystem].
func (b *Bucket) CreatesWhole(string) bool { return true }

// Create implements [filesystem.FileSystem].
func (b *Bucket) Create(name string) (filesystem.File, error) {
	progress := newProgress()
	reader, writer := io.Pipe()
	u := &upload{bucket: b, name: name, writer: writer, progress: progress, stored: make(chan error, 1)}
	go func() {
		err := b.store.put(progress.ctx, b.key(name), reader)
		_ = reader.CloseWithError(cmp.Or(err, io.ErrClosedPipe)) // fails later writes; never fails itself
		u.stored <- err
	}()
	return u, nil
}

// Open implements [filesystem.FileSystem].
func (b *Bucket) Open(name string) (io.ReadCloser, error) {
	progress := newProgress()
	reader, err := b.store.get(progress.ctx, b.key(name))
	if err != nil {
		progress.cancel()
		return nil, b.failure("open", name, err)
	}
	return &download{bucket: b, name: name, reader: reader, progress: progress}, nil
}

// Rename implements [filesystem.FileSystem]: it is not to be had.
func (b *Bucket) Rename(oldName, _ string) error {
	return filesystem.Failure("rename", oldName, syscall.ENOTSUP)
}

// Remove implements [filesystem.FileSystem].
func (b *Bucket) Remove(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := b.store.remove(ctx, b.key(name))
	if !errors.Is(b.store.meaning(err), fs.ErrNotExist) {
		return b.failure("remove", name, err)
	}
	switch held, listErr := b.List(name); {
	case listErr != nil:
		return b.failure("remove", name, err) // neither an object nor a directory
	case len(held) > 0:
		return filesystem.Failure("remove", name, syscall.ENOTEMPTY)
	}
	return b.failure("remove", name, b.store.remove(ctx, b.prefix(name))) // a directory's marker
}

// MkdirAll implements [filesystem.FileSystem]. There is nothing to make, but the bucket
// must be there.
func (b *Bucket) MkdirAll(name string) error {
	if b.seen.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, _, err := b.store.list(ctx, "", ""); err != nil {
		return b.failure("mkdir", name, err)
	}
	b.seen.Store(true)
	return nil
}

// SyncDir implements [filesystem.FileSystem].
func (b *Bucket) SyncDir(string) error { return nil }

// List implements [filesystem.FileSystem].
func (b *Bucket) List(name string) ([]filesystem.Entry, error) {
	progress := newProgress()
	defer progress.cancel()
	prefix := b.prefix(name)
	exists := prefix == ""
	var entries []filesystem.Entry
	for token := ""; ; {
		page, next, err := b.store.list(progress.ctx, prefix, token)
		if err != nil {
			return nil, b.failure("list", name, progress.explain(err))
		}
		progress.made()
		for _, object := range page {
			exists = true
			if object.key == prefix {
				continue // a marker that tools leave for a directory
			}
			entries = append(entries, filesystem.Entry{
				Name: path.Base(object.key), Directory: object.directory, Size: object.size, Modified: object.modified,
			})
		}
		if token = next; token == "" {
			break
		}
	}
	if !exists {
		return nil, filesystem.Failure("list", name, fs.ErrNotExist)
	}
	slices.SortFunc(entries, func(a, b filesystem.Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

// Stat implements [filesystem.FileSystem].
func (b *Bucket) Stat(name string) (filesystem.Entry, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	directory := filesystem.Entry{Name: path.Base(name), Directory: true}
	if !filesystem.IsRoot(name) {
		found, err := b.store.stat(ctx, b.key(name))
		if err == nil {
			return filesystem.Entry{Name: path.Base(name), Size: found.size, Modified: found.modified}, nil
		}
		if !errors.Is(b.store.meaning(err), fs.ErrNotExist) {
			return filesystem.Entry{}, b.failure("stat", name, err)
		}
	}
	for token := ""; ; {
		page, next, err := b.store.list(ctx, b.prefix(name), token)
		switch {
		case err != nil:
			return filesystem.Entry{}, b.failure("stat", name, err)
		case len(page) > 0 || filesystem.IsRoot(name):
			return directory, nil
		case next == "":
			return filesystem.Entry{}, filesystem.Failure("stat", name, fs.ErrNotExist)
		}
		token = next
	}
}

// failure makes an error of the store's one that says what it means here.
func (b *Bucket) failure(operation, name string, err error) error {
	if err == nil {
		return nil
	}
	switch meaning := b.store.meaning(err); {
	case errors.Is(meaning, errNoBucket):
		err = fmt.Errorf("there is no bucket %s: %w", b.name, fs.ErrNotExist)
	case errors.Is(err, fs.ErrNotExist): // said so already
	case errors.Is(meaning, fs.ErrPermission):
		err = fmt.Errorf("%w: %w", fs.ErrPermission, brief{err})
	case meaning != nil:
		err = meaning
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("%s did not answer within %s: %w", b.name, patience, brief{err})
	default:
		err = brief{err}
	}
	return filesystem.Failure(operation, name, err)
}

// brief is an error of a store's library, reduced to the part of its text that is for
// people.
type brief struct{ error }

func (b brief) Error() string {
	text := b.error.Error()
	if strings.Contains(text, "failed to refresh cached credentials") {
		return "no credentials were found; for s3:// set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	}
	for _, before := range []string{"request send failed, ", "api error "} {
		if _, after, found := strings.Cut(text, before); found {
			return after
		}
	}
	return text
}

// Unwrap returns the library's error.
func (b brief) Unwrap() error { return b.error }

// progress cancels an operation that makes none.
type progress struct {
	ctx    context.Context
	cancel context.CancelFunc
	timer  *time.Timer
}

var errNoProgress = fmt.Errorf("no progress within %s: %w", patience, context.DeadlineExceeded)

func newProgress() *progress {
	ctx, cancel := context.WithCancelCause(context.Background())
	timer := time.AfterFunc(patience, func() { cancel(errNoProgress) })
	return &progress{ctx: ctx, timer: timer, cancel: func() { timer.Stop(); cancel(context.Canceled) }}
}

func (p *progress) made() { p.timer.Reset(patience) }

// explain says why an operation was canceled.
func (p *progress) explain(err error) error {
	if cause := context.Cause(p.ctx); cause != nil && err != nil {
		return cause
	}
	return err
}

type upload struct {
	bucket   *Bucket
	name     string
	writer   *io.PipeWriter
	progress *progress
	stored   chan error // how the upload ended; one value
	closed   bool
}

func (u *upload) Write(data []byte) (int, error) {
	u.progress.made()
	n, err := u.writer.Write(data)
	return n, u.bucket.failure("write", u.name, u.progress.explain(err))
}

func (u *upload) Sync() error { return nil }

func (u *upload) Close() error {
	u.progress.made()
	u.closed = true
	_ = u.writer.Close() // never fails
	err := <-u.stored
	err = u.bucket.failure("close", u.name, u.progress.explain(err))
	u.progress.cancel()
	return err
}

var errAborted = errors.New("the upload was aborted")

func (u *upload) Abort() {
	if u.closed {
		return
	}
	u.closed = true
	u.progress.cancel()
	_ = u.writer.CloseWithError(errAborted) // never fails
	<-u.stored                              //nolint:errcheck // it holds errAborted: the upload has failed, and nothing appears from now on
}

type download struct {
	bucket   *Bucket
	name     string
	reader   io.ReadCloser
	progress *progress
}

func (d *download) Read(data []byte) (int, error) {
	d.progress.made()
	n, err := d.reader.Read(data)
	if err != nil && !errors.Is(err, io.EOF) {
		err = d.bucket.failure("read", d.name, d.progress.explain(err))
	}
	return n, err
}

func (d *download) Close() error {
	d.progress.cancel()
	return d.reader.Close()
}
