package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// SealSchema names the format of a [Seal].
const SealSchema = "snapback/seal/1"

// SealSuffix is added to the name of a checkpoint's directory to form the name of its seal. The
// seal is beside the directory and not inside it, because Flink deletes the directory chk-N only if
// the directory is empty.
const SealSuffix = ".seal.json"

// sealMax is the largest size of a seal, in bytes.
const sealMax = 256 << 20

// Seal contains the digests of all files of a checkpoint. Flink's `_metadata` contains no digests.
type Seal struct {
	Schema   string            `json:"schema"`
	Metadata Digest            `json:"metadata"`
	Files    map[string]Digest `json:"files"` // digests of the files; the key is the file's URL
}

// Digest is the digest of a file. If other checkpoints may add segments to the file, it is the
// digest of only that part of the file that this checkpoint uses.
type Digest struct {
	Begin  int64  `json:"begin,omitempty"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

func sealName(location string) string { return location + SealSuffix }

// readSeal reads the seal of a checkpoint, if a seal exists. If the seal cannot be read, readSeal
// only adds a note.
func (v *verifier) readSeal(found storage.Pointer) {
	name := sealName(found.Location)
	data, err := filesystem.ReadFile(v.Files, name, sealMax)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var seal Seal
	if err == nil {
		err = json.Unmarshal(data, &seal)
	}
	if err != nil || seal.Schema != SealSchema {
		v.note(fmt.Sprintf("the seal %s cannot be read: digests are not compared", filesystem.URL(name)))
		return
	}
	v.seal = &seal
}

// Seal writes a seal beside a checkpoint, and returns the URL of the seal. It fails if the
// checkpoint already has a seal. If the checkpoint is not restorable, it writes no seal, and the
// name is empty.
func (a *Auditor) Seal(ctx context.Context, pointer string) (name string, verification Verification, err error) {
	found, err := a.find(pointer)
	if err != nil {
		return "", Verification{}, err
	}
	name = sealName(found.Location)
	if _, err := a.Files.Stat(name); err == nil {
		return "", Verification{}, &SealedError{Seal: filesystem.URL(name)}
	}
	v := &verifier{Auditor: a, location: found.Location, depth: Deep, files: direct{a.Files}, sealing: &Seal{Schema: SealSchema, Files: map[string]Digest{}}}
	verification, err = v.verify(ctx, found)
	if err != nil || !verification.Restorable {
		return "", verification, err
	}
	data, err := json.MarshalIndent(v.sealing, "", " ")
	if err != nil {
		return "", verification, err
	}
	if err := a.write(name, append(data, '\n')); err != nil {
		return "", verification, fmt.Errorf("seal: %w", err)
	}
	return filesystem.URL(name), verification, nil
}

// SealedError says that a checkpoint already has a seal.
type SealedError struct{ Seal string }

func (e *SealedError) Error() string {
	return "the checkpoint is sealed already: " + e.Seal + "; delete this file to write a new seal"
}

// write writes a seal. It first deletes the temporary file of an interrupted write.
func (a *Auditor) write(name string, data []byte) error {
	temporary := name + ".inprogress"
	if err := filesystem.RemoveAll(a.Files, temporary); err != nil {
		return err
	}
	return filesystem.WriteWhole(a.Files, name, temporary, data)
}

// inUse returns the part of a file that the checkpoint needs. The parameter "size" is the size of
// the file. The part may be smaller than the file, because other checkpoints may add segments to
// the file.
func (f *referenced) inUse(size int64) span {
	if f.atLeast == 0 {
		return span{0, size}
	}
	part := span{f.atLeast, f.atLeast}
	for _, use := range f.uses {
		if segment, ok := use.Stream.(*metadata.Segment); ok {
			part.begin = min(part.begin, segment.Start)
		}
	}
	return part
}

// digestOf returns the digest of a part of a file.
func digestOf(file io.ReaderAt, part span) (Digest, error) {
	d := Digest{Begin: part.begin, Bytes: part.end - part.begin}
	hash := sha256.New()
	_, err := io.Copy(hash, io.NewSectionReader(file, d.Begin, d.Bytes))
	d.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return d, err
}
