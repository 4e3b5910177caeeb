package place

import (
	"bufio"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/snapback/snapback/storage/filesystem"
)

// mount is one line of the kernel's table of mounts.
type mount struct {
	device string
	root   string // the mounted directory, as a path on the device
	at     string // the path at which this directory is mounted
}

const mountTable = "/proc/self/mountinfo"

// Local lists the names of a directory of the machine's own file system: the given name, the name
// without links, and the names through other mounts of the same device. The result "complete" says
// whether one of these names shows the directory's siblings on the device. It is false if each name
// is a mount of only this directory.
func Local(name string) (names []string, complete bool) {
	names = []string{name}
	resolved, err := filepath.EvalSymlinks(name)
	if err != nil {
		return names, true
	}
	if resolved != name {
		names = append(names, resolved)
	}
	mounts := readMounts()
	own := mountOf(mounts, resolved)
	if own.at == "" {
		return names, true
	}
	inside := path.Join(own.root, relative(own.at, resolved))
	complete = inside == "/" || resolved != own.at
	for _, m := range mounts {
		if m.device != own.device || m.at == own.at || !within(m.root, inside) {
			continue
		}
		if other := path.Join(m.at, relative(m.root, inside)); same(other, resolved) {
			names = append(names, other)
			complete = complete || other != m.at
		}
	}
	return names, complete
}

// MountsBelow lists the mount points below a directory.
func MountsBelow(name string) []string {
	resolved, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil
	}
	var below []string
	for _, m := range readMounts() {
		if m.at != resolved && within(resolved, m.at) {
			below = append(below, path.Join(name, relative(resolved, m.at)))
		}
	}
	return below
}

func readMounts() []mount {
	file, err := os.Open(mountTable)
	if err != nil {
		return nil // this machine does not run Linux
	}
	defer func() { _ = file.Close() }() // an error of Close does no harm, because the file was only read
	var mounts []mount
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 4 {
			mounts = append(mounts, mount{device: fields[2], root: unescape(fields[3]), at: unescape(fields[4])})
		}
	}
	return mounts
}

// unescape replaces the kernel's escape sequences, for example \040 by a space.
func unescape(text string) string {
	if plain, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`); err == nil {
		return plain
	}
	return text
}

// mountOf returns the mount that contains a directory. This is the mount with the longest matching
// path. If several mounts have the same path, mountOf returns the last one.
func mountOf(mounts []mount, name string) (found mount) {
	for _, m := range mounts {
		if within(m.at, name) && len(m.at) >= len(found.at) {
			found = m
		}
	}
	return found
}

func within(dir, name string) bool {
	_, below := filesystem.Relative(dir, name)
	return below || dir == name
}

func relative(dir, name string) string {
	if tail, below := filesystem.Relative(dir, name); below {
		return tail
	}
	return "" // the name is the directory itself
}

func same(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
