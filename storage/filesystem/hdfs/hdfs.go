// Package hdfs is a [filesystem.FileSystem] on the Hadoop Distributed File System.
//
// A name is durable with the operation that makes it, for the NameNode logs it first.
// What is NOT guaranteed: the bytes of a file are with all DataNodes when it is synced,
// but in their memory; a power loss of all of them may take the bytes.
//
// It reads no Hadoop configuration: whoever opens it says at which addresses the NameNode
// may answer. There is no Kerberos.
//
// Start with [Open].
package hdfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/colinmarc/hdfs/v2"
	"golang.org/x/net/proxy"

	"github.com/snapback/snapback/storage/filesystem"
)

// Bounds on what is waited for.
const (
	patience     = 15 * time.Second // for an answer, once connected
	dialTimeout  = 5 * time.Second
	completeWait = 2 * time.Millisecond // before a file's end is asked for again; doubled each time
)

// UserVariable is the environment variable that says who HDFS is to take us for; it
// is Hadoop's own.
const UserVariable = "HADOOP_USER_NAME"

// NameNode is the file system of one NameNode.
type NameNode struct {
	name   string // as in hdfs://namenode:40010
	client *hdfs.Client
}

// Open connects to the NameNode of a name such as hdfs://namenode:40010, at the first of
// the addresses that answers as the active one.
func Open(name string, addresses []string) (*NameNode, error) {
	who := os.Getenv(UserVariable)
	if who == "" {
		current, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
		who = current.Username
	}
	client, err := hdfs.NewClient(hdfs.ClientOptions{
		// Of an address whose connection broke the client wants to know nothing for seconds;
		// so it has each twice: at the second the same NameNode answers at once.
		Addresses: slices.Concat(addresses, addresses), User: who, NamenodeDialFunc: dial, DatanodeDialFunc: dial,
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: no NameNode answers at %s: %w", name, strings.Join(addresses, ", "), err)
	}
	return &NameNode{name: name, client: client}, nil
}

// dial makes a connection, through the proxy that the environment (ALL_PROXY) names, on
// which nothing is waited for without an end.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	connection, err := proxy.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return impatient{connection}, nil
}

type impatient struct{ net.Conn }

func (i impatient) Read(data []byte) (int, error) {
	if err := i.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	n, err := i.Conn.Read(data)
	return n, i.giveUp(err)
}

func (i impatient) Write(data []byte) (int, error) {
	if err := i.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	n, err := i.Conn.Write(data)
	return n, i.giveUp(err)
}

// giveUp closes a connection on which an answer did not come: the client would go on
// to use it, and take a late answer for that to another question.
func (i impatient) giveUp(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = i.Close() // the next use makes another
	}
	return err
}

func at(name string) string {
	_, at := filesystem.Split(name)
	return at
}

// failure makes an error of the client's one that names the file as we do.
func failure(operation, name string, err error) error {
	if err == nil {
		return nil
	}
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	switch text := err.Error(); {
	case strings.Contains(text, "AccessControlException"):
		err = fmt.Errorf("%w: %w", fs.ErrPermission, err)
	case strings.Contains(text, "FileNotFoundException"):
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return filesystem.Failure(operation, name, err)
}

// CreatesWhole implements [filesystem.FileSystem].
func (n *NameNode) CreatesWhole(string) bool { return false }

// Create implements [filesystem.FileSystem].
func (n *NameNode) Create(name string) (filesystem.File, error) {
	writer, err := n.client.Create(at(name))
	if err != nil {
		return nil, failure("create", name, err)
	}
	return &file{name: name, writer: writer}, nil
}

// Open implements [filesystem.FileSystem].
func (n *NameNode) Open(name string) (io.ReadCloser, error) {
	reader, err := n.client.Open(at(name))
	if err != nil {
		return nil, failure("open", name, err)
	}
	if reader.Stat().IsDir() {
		_ = reader.Close() // nothing was read
		return nil, filesystem.Failure("open", name, syscall.EISDIR)
	}
	return fileReader{reader, name}, nil
}

// fileReader says of a file that is deleted while it is read that it is not there.
type fileReader struct {
	io.ReadCloser
	name string
}

func (r fileReader) Read(data []byte) (int, error) {
	n, err := r.ReadCloser.Read(data)
	if err != nil && !errors.Is(err, io.EOF) {
		err = failure("read", r.name, err)
	}
	return n, err
}

// Rename implements [filesystem.FileSystem].
func (n *NameNode) Rename(oldName, newName string) error {
	return failure("rename", oldName, n.client.Rename(at(oldName), at(newName)))
}

// Remove implements [filesystem.FileSystem].
func (n *NameNode) Remove(name string) error {
	return failure("remove", name, n.client.Remove(at(name)))
}

// MkdirAll implements [filesystem.FileSystem].
func (n *NameNode) MkdirAll(name string) error {
	return failure("mkdir", name, n.client.MkdirAll(at(name), 0o755))
}

// List implements [filesystem.FileSystem].
func (n *NameNode) List(name string) ([]filesystem.Entry, error) {
	held, err := n.client.ReadDir(at(name))
	if err != nil {
		return nil, failure("list", name, err)
	}
	entries := make([]filesystem.Entry, 0, len(held))
	for _, info := range held {
		entries = append(entries, entryOf(info))
	}
	slices.SortFunc(entries, func(a, b filesystem.Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

// Stat implements [filesystem.FileSystem].
func (n *NameNode) Stat(name string) (filesystem.Entry, error) {
	info, err := n.client.Stat(at(name))
	if err != nil {
		return filesystem.Entry{}, failure("stat", name, err)
	}
	entry := entryOf(info)
	entry.Name = path.Base(at(name))
	return entry, nil
}

// SyncDir implements [filesystem.FileSystem]: names are durable already.
func (n *NameNode) SyncDir(string) error { return nil }

func entryOf(info os.FileInfo) filesystem.Entry {
	entry := filesystem.Entry{Name: info.Name(), Directory: info.IsDir(), Modified: info.ModTime()}
	if !entry.Directory {
		entry.Size = info.Size()
	}
	return entry
}

// file is a file being written.
type file struct {
	name   string
	writer *hdfs.FileWriter
	failed bool // a write did; then the file never becomes complete
	closed bool
}

func (f *file) Write(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil // the client would begin a block that never has an end
	}
	n, err := f.writer.Write(data)
	f.failed = f.failed || err != nil
	return n, failure("write", f.name, err)
}

func (f *file) Sync() error { return failure("sync", f.name, f.writer.Flush()) }

// Close waits until the NameNode knows that the file is complete: until then its
// size is not to be relied on.
func (f *file) Close() error {
	f.closed = true
	deadline := time.Now().Add(patience)
	for wait := completeWait; ; wait *= 2 {
		err := f.writer.Close()
		if !hdfs.IsErrReplicating(err) || f.failed || time.Now().Add(wait).After(deadline) {
			return failure("close", f.name, err)
		}
		time.Sleep(wait)
	}
}

func (f *file) Abort() {
	if !f.closed {
		_ = f.Close() // what there is of it stays
	}
}
