package filesystem

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// ParseName returns the name of a file or directory that a user or a checkpoint
// wrote as a path or as a URL, cleaned: file:/a/ and file:///a are /a. It does not
// say whether anybody knows the scheme. A name without a host has an empty one: hdfs:/a
// is hdfs:///a.
func ParseName(text string) (string, error) {
	fail := func(why string) (string, error) { return "", fmt.Errorf("%q: %s", text, why) }
	if text == "" {
		return "", errors.New("want a path or a URL, got nothing")
	}
	if strings.HasPrefix(text, "/") {
		return path.Clean(text), nil
	}
	scheme, rest, found := strings.Cut(text, ":")
	if !found || strings.Contains(scheme, "/") {
		return fail("want an absolute path, or a URL such as file:///checkpoints")
	}
	if scheme == "" || strings.Trim(strings.ToLower(scheme), "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
		return fail("want a scheme before the colon, as in file:///checkpoints")
	}
	authority := ""
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		authority, rest, _ = strings.Cut(after, "/")
		rest = "/" + rest
	}
	if !strings.HasPrefix(rest, "/") {
		return fail("want an absolute path after the scheme, as in " + scheme + ":///checkpoints")
	}
	if strings.EqualFold(scheme, "file") {
		if authority != "" {
			return fail(fmt.Sprintf("want no host in a file URL, got %s; write file:///%s%s for a local path", authority, authority, rest))
		}
		return path.Clean(rest), nil
	}
	if authority == "" && slices.Contains(bucketSchemes, strings.ToLower(scheme)) {
		return fail("want a bucket or a container after " + scheme + "://")
	}
	if _, err := url.Parse("x://" + authority); err != nil {
		return fail(fmt.Sprintf("%s is no host", authority))
	}
	return strings.ToLower(scheme) + "://" + authority + path.Clean(rest), nil
}

// bucketSchemes are those of stores whose names begin with a bucket or a container. Other
// names may lack a host: hdfs:///a is on the NameNode that Hadoop's configuration names.
var bucketSchemes = []string{"s3", "s3a", "s3n", "s3p", "gs", "azblob", "abfs", "abfss", "wasb", "wasbs"}

// URL is the inverse of [ParseName], as Flink writes it: a local path is file:/a.
func URL(name string) string {
	if strings.HasPrefix(name, "/") {
		return "file:" + name
	}
	return name
}

// Split takes a name apart: what it is on (scheme://authority, or nothing for the
// machine's own file system), and the absolute path there.
func Split(name string) (on, at string) {
	scheme, rest, found := strings.Cut(name, "://")
	if !found {
		return "", name
	}
	authority, at, _ := strings.Cut(rest, "/")
	return scheme + "://" + authority, "/" + at
}

// Scheme returns the scheme of a name; file for a local path.
func Scheme(name string) string {
	scheme, _, found := strings.Cut(name, "://")
	if !found {
		return "file"
	}
	return scheme
}

// Join appends elements to a name.
func Join(name string, elements ...string) string {
	on, at := Split(name)
	return on + path.Join(append([]string{at}, elements...)...)
}

// Dir returns the name of the directory that holds a name.
func Dir(name string) string {
	on, at := Split(name)
	return on + path.Dir(at)
}

// IsRoot says whether a name is that of a file system's root directory.
func IsRoot(name string) bool {
	_, at := Split(name)
	return at == "/"
}

// Relative returns the path of a name below a directory; ok is false if it is not
// below it.
func Relative(dir, name string) (relative string, ok bool) {
	if IsRoot(dir) {
		return strings.CutPrefix(name, strings.TrimSuffix(dir, "/")+"/")
	}
	return strings.CutPrefix(name, dir+"/")
}
