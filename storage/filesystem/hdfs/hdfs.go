// Package hdfs implements [filesystem.FileSystem] on the Hadoop Distributed File System.
//
// An operation on a name is durable when it returns, because the NameNode first writes the
// operation to its log. What is NOT guaranteed: Sync sends the bytes of a file to all of its
// DataNodes, but the DataNodes may keep these bytes only in memory. If all these DataNodes lose
// power, the bytes may be lost.
//
// The package reads no Hadoop configuration: the caller passes the addresses of the NameNode. It
// does not support Kerberos.
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

// Limits on the time that an operation waits.
const (
	patience     = 15 * time.Second // for one read or one write on an open connection
	dialTimeout  = 5 * time.Second
	completeWait = 2 * time.Millisecond // pause before Close asks the NameNode again; each pause is twice as long as the previous pause
)

// userVariable is Hadoop's environment variable for the name of the user.
const userVariable = "HADOOP_USER_NAME"

// NameNode is the file system of one NameNode.
type NameNode struct {
	name   string // for example hdfs://namenode:40010
	client *hdfs.Client
}

// Open connects to a NameNode with a name such as hdfs://namenode:40010. It tries the addresses in
// their order, and uses the first address at which an active NameNode answers.
func Open(name string, addresses []string) (*NameNode, error) {
	who := os.Getenv(userVariable)
	if who == "" {
		current, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
		who = current.Username
	}
	client, err := hdfs.NewClient(hdfs.ClientOptions{
		// After a connection breaks, the client does not use its address for some seconds. So the
		// list contains each address twice: the client can use the second entry immediately.
		Addresses: slices.Concat(addresses, addresses), User: who, NamenodeDialFunc: dial, DatanodeDialFunc: dial,
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: no NameNode answers at %s: %w", name, strings.Join(addresses, ", "), err)
	}
	return &NameNode{name: name, client: client}, nil
}

// dial opens a connection on which each read and each write has a time limit. It uses the proxy
// that the environment variable ALL_PROXY names.
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

// giveUp closes a connection after a timeout. If the connection stayed open, the client would use
// it again, and could take a late answer for the answer to a later question.
func (i impatient) giveUp(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = i.Close() // the client opens a new connection when it needs one
	}
	return err
}

func at(name string) string {
	_, at := filesystem.Split(name)
	return at
}

// failure turns an error of the client into an error of our own form, which names the file.
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
		_ = reader.Close() // an error of Close does no harm, because no bytes were read
		return nil, filesystem.Failure("open", name, syscall.EISDIR)
	}
	return fileReader{reader, name}, nil
}

// fileReader turns the client's errors into our own errors. For example, a file that is deleted
// during a read becomes [io/fs.ErrNotExist].
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

// SyncDir implements [filesystem.FileSystem]. It does nothing, because names are durable already.
func (n *NameNode) SyncDir(string) error { return nil }

func entryOf(info os.FileInfo) filesystem.Entry {
	entry := filesystem.Entry{Name: info.Name(), Directory: info.IsDir(), Modified: info.ModTime()}
	if !entry.Directory {
		entry.Size = info.Size()
	}
	return entry
}

// file is a file that is open for writing.
type file struct {
	name   string
	writer *hdfs.FileWriter
	failed bool // true if a write failed; then the file can never become complete
	closed bool
}

func (f *file) Write(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil // otherwise the client would begin a block and never end it
	}
	n, err := f.writer.Write(data)
	f.failed = f.failed || err != nil
	return n, failure("write", f.name, err)
}

func (f *file) Sync() error { return failure("sync", f.name, f.writer.Flush()) }

// Close waits until the NameNode knows that the file is complete. Until then the NameNode may
// report a wrong size of the file.
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
		_ = f.Close() // a part of the file stays
	}
}
