package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
	"github.com/snapback/snapback/storage/rocksdb"
)

// readAll reads all bytes of a file. It compares the part that the checkpoint needs with RocksDB's
// checksums and with the digest in the seal, if these exist.
func (v *verifier) readAll(ctx context.Context, f *referenced) error {
	local, err := v.spool(ctx, f.name)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		v.unreadable(f, "a file that can be read to its end", err)
		return nil
	}
	defer local.close()
	if (f.size >= 0 && !f.changelog && local.size != f.size) || local.size < f.atLeast {
		v.report(f, WrongSize, nil, f.wanted(), fmt.Sprintf("%d bytes that can be read", local.size))
		return nil
	}
	if v.sealing != nil {
		digest, err := digestOf(local, f.inUse(local.size))
		if err != nil {
			return err
		}
		v.mu.Lock()
		v.sealing.Files[filesystem.URL(f.name)] = digest
		v.mu.Unlock()
	}
	compared := false
	if v.seal != nil {
		if want, ok := v.seal.Files[filesystem.URL(f.name)]; ok {
			compared = true
			if err := v.compare(f, local, want); err != nil {
				return err
			}
		}
	}
	for _, use := range f.uses {
		compared = v.checkRocksDB(f, local, use) || compared
	}
	if compared {
		v.compared()
	}
	return nil
}

// spooled is a file that can be read at any offset. It is either the original file or a copy.
type spooled struct {
	io.ReaderAt
	size  int64
	close func()
}

// spool reads a whole file. Checking checksums needs reads at any offset. Some storages can read a
// file only from its beginning to its end. For these, spool copies the file to a temporary file.
func (v *verifier) spool(ctx context.Context, name string) (*spooled, error) {
	reader, err := v.Files.Open(name)
	if err != nil {
		return nil, err
	}
	closeReader := func() { _ = reader.Close() } // an error of Close does no harm, because the file was only read
	at, direct := reader.(io.ReaderAt)
	into := io.Discard
	done := closeReader
	if !direct {
		temporary, err := os.CreateTemp("", "snapback-verify-*")
		if err != nil {
			closeReader()
			return nil, err
		}
		at, into = temporary, temporary
		done = func() {
			closeReader()
			_ = temporary.Close()
			_ = os.Remove(temporary.Name()) // if this fails, only a temporary copy stays
		}
	}
	size, err := io.Copy(into, &cancelable{ctx, reader})
	if err != nil {
		done()
		return nil, err
	}
	return &spooled{ReaderAt: at, size: size, close: done}, nil
}

// cancelable is a reader that fails after its context was canceled.
type cancelable struct {
	ctx    context.Context
	reader io.Reader
}

func (c *cancelable) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.reader.Read(b)
}

// compare compares a file, or the part of it that the checkpoint uses, with its digest in the seal.
func (v *verifier) compare(f *referenced, local *spooled, want Digest) error {
	found, err := digestOf(local, span{want.Begin, want.Begin + want.Bytes})
	if err == nil && found.SHA256 != want.SHA256 {
		v.report(f, Corrupt, nil, "sha256 "+want.SHA256+", as sealed", "sha256 "+found.SHA256)
	}
	return err
}

// current matches the content of RocksDB's file CURRENT, which is the name of the MANIFEST.
var current = regexp.MustCompile(`^MANIFEST-\d{6,}\n$`)

// checkRocksDB checks a file of RocksDB. It returns true if it could compare the content: with
// checksums or, for the file CURRENT, with the expected form.
func (v *verifier) checkRocksDB(f *referenced, local *spooled, use metadata.Reference) bool {
	_, localPath, found := strings.Cut(use.State, ": ")
	begin, size := int64(0), local.size
	if segment, ok := use.Stream.(*metadata.Segment); ok {
		begin, size = segment.Start, segment.Size
	}
	part := io.NewSectionReader(local, begin, size)
	var err error
	switch base := path.Base(localPath); {
	case !found:
		return false
	case strings.HasSuffix(base, ".sst"):
		err = rocksdb.CheckTable(part, size)
	case strings.HasPrefix(base, "MANIFEST-"):
		err = rocksdb.CheckManifest(part)
	case base == "CURRENT":
		data, readErr := io.ReadAll(io.LimitReader(part, 1<<10))
		if err = readErr; err == nil && !current.Match(data) {
			err = &rocksdb.DamageError{What: fmt.Sprintf("%q is not the name of a MANIFEST", data)}
		}
	default:
		return false
	}
	compared := true
	var damage *rocksdb.DamageError
	switch {
	case err == nil:
	case errors.As(err, &damage):
		offset := begin + damage.Offset
		v.report(f, Corrupt, &offset, "a whole "+path.Base(localPath), damage.What)
	case errors.Is(err, rocksdb.ErrUnsupported):
		compared = false
		v.note(fmt.Sprintf("%s (%s): %v", filesystem.URL(f.name), localPath, err))
	default:
		v.unreadable(f, "a file that can be read", err)
	}
	return compared
}
