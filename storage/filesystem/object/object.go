// Package object implements [filesystem.FileSystem] on an object store: S3, Google Cloud Storage or
// Azure Blob Storage.
//
// An object appears when its file is closed. It is then complete and durable. A new object never
// replaces another object, because each upload asks the store to refuse that. A directory exists
// only as a part of names: MkdirAll and SyncDir change nothing, and an empty directory does not
// exist. Rename fails.
//
// The package is not made for the files that an engine works on. What is NOT guaranteed: the
// process may end during an upload that consists of several parts. Then the store keeps the parts
// that it has. They are invisible until the store's own rules delete them.
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

// patience is the longest time that a short operation may need. It is also the longest time for
// which a long operation may make no progress.
const patience = 15 * time.Second

// store contains the operations that the three stores have in common. An upload, a download or a
// list may need several requests. If ctx is canceled, all these requests end.
type store interface {
	// put stores the content under a key. It fails if an object with this key exists. If ctx is
	// canceled, or reading the content fails, no object appears.
	put(ctx context.Context, key string, content io.Reader) error
	get(ctx context.Context, key string) (io.ReadCloser, error)
	stat(ctx context.Context, key string) (object, error)
	// remove fails if the object does not exist.
	remove(ctx context.Context, key string) error
	// list returns one page of the keys that begin with prefix. If a key contains a slash after the
	// prefix, list returns the key up to this slash, as a directory. The parameter "token" is empty
	// for the first page. The result "next" is the token of the next page, or empty if there is no
	// next page.
	list(ctx context.Context, prefix, token string) (page []object, next string, err error)
	// meaning says what an error of the store means. It returns errNoBucket, fs.ErrNotExist,
	// fs.ErrExist or fs.ErrPermission. If the error means something else, meaning returns nil.
	meaning(err error) error
}

// errNoBucket means that the bucket does not exist.
var errNoBucket = errors.New("no bucket")

// object describes what a store reports about one key.
type object struct {
	key       string
	directory bool // whether the key is a directory; such a key ends with a slash
	size      int64
	modified  time.Time
}

// Bucket is the file system of one bucket or container.
type Bucket struct {
	name  string // for example s3://bucket
	store store
	seen  atomic.Bool // whether this process has seen that the bucket exists
}

// Open opens a bucket. The parameter "name" is the name that the caller uses for the bucket, for
// example s3a://bucket. The parameter "bucket" is the standard name of the same bucket, for example
// s3://bucket or azblob://container@account. Credentials and endpoints come from the environment
// variables that the store's own tools read; see docs/storage.md. Open sends no request to the
// store.
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
		err = fmt.Errorf("%s is not an object store", bucket)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return b, nil
}

// key returns the key of the object with this name.
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
		_ = reader.CloseWithError(cmp.Or(err, io.ErrClosedPipe)) // later writes fail; CloseWithError itself never fails
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

// Rename implements [filesystem.FileSystem]. It always fails, because object stores cannot rename.
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
		return b.failure("remove", name, err) // no object and no directory has this name
	case len(held) > 0:
		return filesystem.Failure("remove", name, syscall.ENOTEMPTY)
	}
	return b.failure("remove", name, b.store.remove(ctx, b.prefix(name))) // deletes an object that some tool created to stand for an empty directory
}

// MkdirAll implements [filesystem.FileSystem]. It creates nothing, and only checks that the bucket
// exists.
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
				continue // some tools create an object with the name of the directory itself
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

// failure turns an error of the store into an error that names the operation and the file, and says
// what happened.
func (b *Bucket) failure(operation, name string, err error) error {
	if err == nil {
		return nil
	}
	switch meaning := b.store.meaning(err); {
	case errors.Is(meaning, errNoBucket):
		err = fmt.Errorf("there is no bucket %s: %w", b.name, fs.ErrNotExist)
	case errors.Is(err, fs.ErrNotExist): // the error already says that the file does not exist
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

// brief is an error of a store's library with a shorter text: only the part that helps people.
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

// progress cancels an operation if it makes no progress for the time that patience allows.
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

// explain returns the reason why the operation was canceled. If it was not canceled, explain
// returns err.
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
	stored   chan error // receives the result of the upload once
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
	_ = u.writer.Close() // Close of a pipe never fails
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
	_ = u.writer.CloseWithError(errAborted) // CloseWithError never fails
	<-u.stored                              //nolint:errcheck // its value is errAborted: the upload has failed, so no object can appear later
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
