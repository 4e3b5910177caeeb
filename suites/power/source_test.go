package power_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/suites/power"
)

// moved is a mutant that removes the call of sync from the method Close.
const moved = `id: moved
symptom: s
mechanism: m
requirements: REC-02
--- a/storage/file.go
+++ b/storage/file.go
@@ -5,6 +5,5 @@ func (f *File) Close
 	// Before the answer.
 	if f.open {
 		f.count++ // each
-		f.sync()
 	}
 	return nil
 }
`

// file is the source to which the mutant called moved applies.
const file = `package storage

// Close closes.
func (f *File) Close() error {
	// Before the answer.
	if f.open {
		f.count++ // each
		f.sync()
	}
	return nil
}

func (f *File) Flush() error {
	f.sync()
	return nil
}
`

// refresh rewrites the diff of a mutant for the given source files, and returns the new diff.
func refresh(t *testing.T, mutant string, files map[string]string) (string, error) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := power.Read(write(t, "moved.diff", mutant))
	if err != nil {
		t.Fatal(err)
	}
	_, err = power.Refresh(root, all)
	text, readErr := os.ReadFile(all[0].File)
	if readErr != nil {
		t.Fatal(readErr)
	}
	_, diff, _ := strings.Cut(string(text), "requirements: REC-02\n")
	return diff, err
}

// replaced returns a text with some parts replaced.
func replaced(t *testing.T, text string, oldNew ...string) string {
	t.Helper()
	for pair := range slices.Chunk(oldNew, 2) {
		if !strings.Contains(text, pair[0]) {
			t.Fatalf("%q is not in\n%s", pair[0], text)
		}
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	return text
}

func TestAMutantFollowsItsCode(t *testing.T) {
	const other = "package storage\n\nfunc (o *Other) Close() error {\n\tif f.open {\n\t\tf.count++\n\t\tf.sync()\n\t}\n\treturn nil\n}\n"
	for what, c := range map[string]struct {
		files map[string]string
		want  string // the beginning of the new diff
	}{
		"nothing changed": {
			map[string]string{"storage/file.go": file},
			"--- a/storage/file.go\n+++ b/storage/file.go\n@@ -4,8 +4,7 @@ func (f *File) Close\n",
		},
		"it is lower in its file": {
			map[string]string{"storage/file.go": replaced(t, file, "// Close", "var x int\n\n// Close")},
			"--- a/storage/file.go\n+++ b/storage/file.go\n@@ -6,8 +6,7 @@ func (f *File) Close\n",
		},
		"it is in another file and package": {
			map[string]string{"reference/task/closing.go": file, "storage/file.go": "package storage\n"},
			"--- a/reference/task/closing.go\n+++ b/reference/task/closing.go\n@@ -4,8 +4,7 @@ func (f *File) Close\n",
		},
		"its file is gone": {
			map[string]string{"storage/closing.go": file},
			"--- a/storage/closing.go\n",
		},
		"comments around it changed": {
			map[string]string{"storage/file.go": replaced(t, file, "// Before the answer.", "// First.\n\t// Then.", " // each", "", "\t}\n", "\t} // done\n")},
			"--- a/storage/file.go\n+++ b/storage/file.go\n@@ -4,9 +4,8 @@ func (f *File) Close\n",
		},
		"it is indented": {
			map[string]string{"storage/file.go": replaced(t, file, "\t\tf.sync()", "\t\t\tf.sync()")},
			"--- a/storage/file.go\n",
		},
		"the code around it changed": {
			map[string]string{"storage/file.go": replaced(t, file, "f.open", "f.isOpen", "return nil", "return f.err")},
			"--- a/storage/file.go\n+++ b/storage/file.go\n@@ -4,8 +4,7 @@ func (f *File) Close\n",
		},
		"its type has another name": {
			map[string]string{"storage/file.go": replaced(t, file, "(f *File)", "(f *stream)")},
			"--- a/storage/file.go\n+++ b/storage/file.go\n@@ -4,8 +4,7 @@ func (f *stream) Close\n",
		},
		"its function has another name": {
			map[string]string{"storage/file.go": replaced(t, file, "Close()", "Shut()")},
			"--- a/storage/file.go\n+++ b/storage/file.go\n@@ -4,8 +4,7 @@ func (f *File) Shut\n",
		},
		"another function has the same code": {
			map[string]string{"storage/file.go": replaced(t, other, "Close", "Shut") + replaced(t, file, "package storage\n", "")},
			"--- a/storage/file.go\n+++ b/storage/file.go\n@@ -12,8 +12,7 @@ func (f *File) Close\n",
		},
		"another type's method of that name has the same code": {
			map[string]string{"storage/file.go": other, "storage/moved.go": file},
			"--- a/storage/moved.go\n",
		},
		"a test has the same code": {
			map[string]string{"storage/file.go": file, "storage/file_test.go": file},
			"--- a/storage/file.go\n",
		},
	} {
		got, err := refresh(t, moved, c.files)
		if err != nil || !strings.HasPrefix(got, c.want) || !strings.Contains(got, "\n-\t\tf.sync()\n") && what != "it is indented" {
			t.Errorf("%s: want a diff that begins with\n%s\ngot %v\n%s", what, c.want, err, got)
		}
		if again, err := refresh(t, replaced(t, moved, diffOf(moved), got), c.files); err != nil || again != got {
			t.Errorf("%s: the new diff is not applied where the old one is: %v\n%s", what, err, again)
		}
	}
}

func TestARefreshedDiffIsOneOfGit(t *testing.T) {
	const want = `--- a/storage/file.go
+++ b/storage/file.go
@@ -4,8 +4,7 @@ func (f *File) Close
 func (f *File) Close() error {
 	// Before the answer.
 	if f.open {
 		f.count++ // each
-		f.sync()
 	}
 	return nil
 }
@@ -13,4 +12,5 @@ func (f *File) Flush
 func (f *File) Flush() error {
 	f.sync()
+	f.sync()
 	return nil
 }
`
	const second = "@@ -14,2 +13,3 @@ func (f *File) Flush\n \tf.sync()\n+\tf.sync()\n \treturn nil\n"
	if got, err := refresh(t, moved+second, map[string]string{"storage/file.go": file}); err != nil || got != want {
		t.Errorf("want\n%s\ngot %v\n%s", want, err, got)
	}
}

func TestAChangedImportIsNamed(t *testing.T) {
	const text = "package storage\n\nimport (\n\t\"errors\"\n\t\"fmt\"\n)\n"
	const hunk = "@@ -3,4 +3,3 @@\n import (\n \t\"errors\"\n-\t\"fmt\"\n )\n"
	const want = "--- a/storage/file.go\n+++ b/storage/file.go\n@@ -3,4 +3,3 @@ import\n"
	mutant := upToHunks(moved) + hunk
	if got, err := refresh(t, mutant, map[string]string{"storage/file.go": text}); err != nil || !strings.HasPrefix(got, want) {
		t.Errorf("want\n%s\ngot %v\n%s", want, err, got)
	}
}

// If a hunk begins above its function, the heading in git's diff names the function before it. The
// program must not trust such a heading.
func TestAHeadingOfGitDoesNotMislead(t *testing.T) {
	const ofGit = "@@ -11,6 +11,5 @@ func (f *File) Close() error {\n }\n \n func (f *File) Flush() error {\n-\tf.sync()\n \treturn nil\n }\n"
	const want = "--- a/storage/file.go\n+++ b/storage/file.go\n@@ -13,4 +13,3 @@ func (f *File) Flush\n"
	mutant := upToHunks(moved) + ofGit
	for what, text := range map[string]string{"as it was": file, "with other context": replaced(t, file, "return nil", "return f.err")} {
		if got, err := refresh(t, mutant, map[string]string{"storage/file.go": text}); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: want\n%s\ngot %v\n%s", what, want, err, got)
		}
	}
}

func TestAMutantWithoutOnePlaceIsRefused(t *testing.T) {
	for what, c := range map[string]struct{ mutant, file, want string }{
		"its line is gone": {
			moved, replaced(t, file, "\t\tf.sync()\n", ""),
			"found it nowhere",
		},
		"its line is in another function, in other code": {
			moved, replaced(t, file, "\t\tf.sync()\n", "", "Flush", "Sync"),
			"found it nowhere",
		},
		"it is there twice": {
			moved, file + file,
			"found it in 2 places: storage/file.go:8 storage/file.go:24",
		},
		"no declaration is named, and the context changed": {
			replaced(t, moved, " func (f *File) Close", ""), replaced(t, file, "f.open", "f.isOpen"),
			"found it nowhere",
		},
		"only lines are added, and the code around them changed": {
			replaced(t, moved, "-\t\tf.sync()", "+\t\tf.sync()"), replaced(t, file, "f.count++", "f.count--"),
			"found it nowhere",
		},
	} {
		_, err := refresh(t, c.mutant, map[string]string{"storage/file.go": c.file})
		hunk := c.mutant[strings.Index(c.mutant, "@@"):strings.Index(c.mutant, "\n \t//")]
		for _, want := range []string{"mutant moved no longer applies: hunk ", fmt.Sprintf("%q", hunk), "storage/file.go", c.want, "f.sync()"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: want …%s…, got %v", what, want, err)
			}
		}
	}
}

// Every mutant of the museum applies to the present source.
func TestTheMuseumApplies(t *testing.T) {
	source, err := power.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	museum := t.TempDir()
	if err := os.CopyFS(museum, os.DirFS(power.Museum(source))); err != nil {
		t.Fatal(err)
	}
	all, err := power.Read(museum)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := power.Refresh(source, all); err != nil {
		t.Errorf("mend these mutants, then run: go run ./suites/power/mutants --refresh\n%v", err)
	}
	for _, m := range all {
		for _, h := range m.Hunks {
			if strings.HasSuffix(h.Heading, "@@") {
				t.Errorf("%s: want the changed function behind %q; go run ./suites/power/mutants --refresh writes it", m.ID, h.Heading)
			}
		}
	}
}

// diffOf returns the text of a mutant without its header.
func diffOf(mutant string) string {
	_, diff, _ := strings.Cut(mutant, "--- a/")
	return "--- a/" + diff
}

// upToHunks returns the text of a mutant without its hunks.
func upToHunks(mutant string) string {
	before, _, _ := strings.Cut(mutant, "@@")
	return before
}
