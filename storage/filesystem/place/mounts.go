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

// mount is a line of the kernel's table of mounts.
type mount struct {
	device string
	root   string // the directory of the device that is mounted
	at     string // where this directory is mounted
}

const mountTable = "/proc/self/mountinfo"

// Local lists names of a directory of the machine's own file system. The first is the given name.
// Others are the name without links, and names through other mounts of the same device. complete is
// false if each of these names is a mount of this directory alone. Then the directory's siblings on
// the device cannot be seen.
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

// MountsBelow lists the places below a directory at which something is mounted.
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
		return nil // not Linux
	}
	defer func() { _ = file.Close() }() // nothing was written
	var mounts []mount
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 4 {
			mounts = append(mounts, mount{device: fields[2], root: unescape(fields[3]), at: unescape(fields[4])})
		}
	}
	return mounts
}

// unescape replaces the kernel's escapes, for example \040 for a blank.
func unescape(text string) string {
	if plain, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`); err == nil {
		return plain
	}
	return text
}

// mountOf returns the mount that a directory is on. This is the mount with the longest path. If
// several mounts have that path, the last one counts.
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
