package architecture_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/suites/architecture"
)

const root = "../.."

// documents returns every Markdown page that git does not ignore.
func documents(t *testing.T) []architecture.Document {
	t.Helper()
	var all []architecture.Document
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", "testdata", "snapback-runs"}, entry.Name()) {
			return fs.SkipDir
		}
		if filepath.Ext(name) != ".md" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fromRoot, err := filepath.Rel(root, name)
		all = append(all, architecture.Document{Name: filepath.ToSlash(fromRoot), Text: string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDocumentsHaveShortLinesAndNoBrokenLinks(t *testing.T) {
	all := documents(t)
	if len(all) < 50 {
		t.Fatalf("only %d documents were found", len(all))
	}
	for _, problem := range architecture.DocumentProblems(all, exists) {
		t.Error(problem)
	}
}

func exists(name string) bool {
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
	return err == nil
}

func TestTheMapNamesEachFolder(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range packages(t) {
		names = append(names, strings.TrimPrefix(p.ImportPath, architecture.Module+"/"))
	}
	for _, problem := range architecture.MapProblems(string(page), names, exists) {
		t.Error(problem)
	}
}

func TestProblemsOfTheMapAreFound(t *testing.T) {
	page := "# A\n\n## Where does it happen?\n\n| it | `a/a.go`: `f` |\n| that | `a/none.go` |\n\n## The map\n\n| folder | what | start at |\n|---|---|---|\n" +
		"| `a` | does a | `a.go`, `none.go` |\n| `none`, `b` | do b | the tests |\n\n## Other\n\n| `c` | does c | `c.go` |\n"
	there := []string{"a", "a/a.go", "b", "c"}
	got := architecture.MapProblems(page, []string{"a", "b", "c"}, func(name string) bool { return slices.Contains(there, name) })
	want := []string{
		"the map names the file a/none.go, which does not exist",
		"the map names the folder none, which does not exist",
		"the page says that something happens in a/none.go, which does not exist",
		"the map has no row for the package c",
	}
	if !slices.Equal(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestProblemsOfDocumentsAreFound(t *testing.T) {
	long := strings.Repeat("x", 101)
	other := architecture.Document{Name: "docs/other.md", Text: "# Other\n\n## Twice\n\n## Twice\n\n## Is it `good`?\n"}
	for _, c := range []struct{ text, want string }{
		{"# A\n\n" + long, "docs/a.md:3: the line has 101 columns, more than 100"},
		{"```\n" + long + "\n```\n" + long, "docs/a.md:4: the line has 101 columns, more than 100"},
		{"| a | " + strings.Repeat("x", 150) + " |", "docs/a.md:1: a cell has 152 columns, more than 150"},
		{"see [it](none.md)", "docs/a.md:1: the link none.md leads nowhere: there is no docs/none.md"},
		{"\n[it]: ../none", "docs/a.md:2: the link ../none leads nowhere: there is no none"},
		{"a [link\nin two lines](none)", "docs/a.md:1: the link none leads nowhere: there is no docs/none"},
		{"[it](other.md#three)", "docs/a.md:1: the link other.md#three leads nowhere: docs/other.md has no heading #three"},
		{"[it](#three)", "docs/a.md:1: the link #three leads nowhere: docs/a.md has no heading #three"},
		{"[it](other.md#twice-2)", "docs/a.md:1: the link other.md#twice-2 leads nowhere: docs/other.md has no heading #twice-2"},
	} {
		all := []architecture.Document{{Name: "docs/a.md", Text: c.text}, other}
		if got := architecture.DocumentProblems(all, isDocument(all)); len(got) != 1 || got[0] != c.want {
			t.Errorf("%q:\nwant %q\ngot  %q", c.text, c.want, got)
		}
	}
	good := []architecture.Document{other, {Name: "docs/a.md", Text: "# A b\n\n" +
		"```\n" + long + "\n[x](none)\n```\n" +
		"`[x](none)` [it](other.md#twice-1) [it](other.md#is-it-good) [it](#a-b) [it](https://x.org/none)\n" +
		"| a | [b](other.md) " + strings.Repeat("x", 100) + " | " + strings.Repeat("x", 100) + " |\n" +
		"[" + long + "]: other.md\n"}}
	if got := architecture.DocumentProblems(good, isDocument(good)); len(got) > 0 {
		t.Error(got)
	}
}

func isDocument(all []architecture.Document) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(all, func(d architecture.Document) bool { return d.Name == name })
	}
}

func TestWrap(t *testing.T) {
	word := strings.Repeat("x", 49)
	want := "- " + word + "\n  " + word + " " + strings.Repeat("y", 48) + "\n  z"
	if got := architecture.Wrap("- "+word+" "+word+" "+strings.Repeat("y", 48)+" z", "  "); got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}
