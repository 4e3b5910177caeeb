package filesystem

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// ParseName turns a path or a URL, as users and checkpoints write it, into a name in its standard
// form. For example, file:/a/ and file:///a become /a, and hdfs:/a becomes hdfs:///a, which has an
// empty host. ParseName also accepts unknown schemes.
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
		return fail(fmt.Sprintf("%s is not a valid host", authority))
	}
	return strings.ToLower(scheme) + "://" + authority + path.Clean(rest), nil
}

// bucketSchemes are the schemes whose names must begin with a bucket or a container. A name of
// another scheme may have no host. For example, hdfs:///a lies on the NameNode from Hadoop's
// configuration.
var bucketSchemes = []string{"s3", "s3a", "s3n", "s3p", "gs", "azblob", "abfs", "abfss", "wasb", "wasbs"}

// URL is the inverse of [ParseName]. It returns the form that Flink writes: the local path /a
// becomes file:/a.
func URL(name string) string {
	if strings.HasPrefix(name, "/") {
		return "file:" + name
	}
	return name
}

// Split splits a name into its file system and the absolute path on that file system. The file
// system is scheme://authority, or empty for the machine's own file system.
func Split(name string) (on, at string) {
	scheme, rest, found := strings.Cut(name, "://")
	if !found {
		return "", name
	}
	authority, at, _ := strings.Cut(rest, "/")
	return scheme + "://" + authority, "/" + at
}

// Scheme returns the scheme of a name. For a local path the scheme is "file".
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

// Dir returns the directory that contains a name.
func Dir(name string) string {
	on, at := Split(name)
	return on + path.Dir(at)
}

// IsRoot says whether a name is the root directory of a file system.
func IsRoot(name string) bool {
	_, at := Split(name)
	return at == "/"
}

// Relative returns the path of a name relative to a directory. The result "ok" is false if the name
// is not below the directory.
func Relative(dir, name string) (relative string, ok bool) {
	if IsRoot(dir) {
		return strings.CutPrefix(name, strings.TrimSuffix(dir, "/")+"/")
	}
	return strings.CutPrefix(name, dir+"/")
}
