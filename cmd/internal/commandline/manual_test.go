package commandline

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite docs/flags.md")

// source is the root of the module.
const source = "../../.."

// The test compares the page of verbs, flags and schemas with the code. With -update it writes the
// page:
//
//	go test ./cmd/internal/commandline -run TestThePageOfFlags -update
func TestThePageOfFlagsIsWhatTheProgramHas(t *testing.T) {
	page := filepath.Join(source, "docs", "flags.md")
	want := flagsPage()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/flags.md differs from the program; rewrite it with -update, and check the difference")
	}
}

func flagsPage() string {
	var page strings.Builder
	page.WriteString("# Verbs, flags and schemas\n\n" +
		"A test writes this page from the program. [cli.md](cli.md) explains the verbs and exit codes.\n")
	for _, command := range verbs(root(nil)) {
		fmt.Fprintf(&page, "\n## %s\n\n%s.\n\n", command.CommandPath(), command.Short)
		fmt.Fprintf(&page, "```\n%s\n", command.UseLine())
		if flags := command.LocalFlags().FlagUsages(); flags != "" {
			fmt.Fprintf(&page, "\n%s", flags)
		}
		page.WriteString("```\n")
	}
	page.WriteString("\n## Schemas\n\nEach document that the program writes names its schema. `snapback version` lists them:\n\n")
	for _, schema := range schemas {
		fmt.Fprintf(&page, "- `%s`\n", schema)
	}
	return page.String()
}

// verbs returns all commands that a user can run. It leaves out the commands that the library cobra
// adds.
func verbs(command *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	command.InitDefaultHelpFlag()
	if command.Runnable() {
		all = append(all, command)
	}
	for _, sub := range command.Commands() {
		if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
			all = append(all, verbs(sub)...)
		}
	}
	return all
}

// pagesOfSuites are the pages about commands that are not part of the program snapback.
var pagesOfSuites = []string{"mutants.md", "power.md"}

// otherPrograms matches a line that names another program. The test does not check the flags in
// such a line.
var otherPrograms = regexp.MustCompile(`suites/power|\bdocker\b|\bgit\b|\bgo (test|run ./suites)|apt-get|rapid`)

var flagIn = regexp.MustCompile("(?:^|[\\s`(\\[])--([a-z][a-z0-9-]*)")

func TestTheManualNamesNoFlagThatDoesNotExist(t *testing.T) {
	var known []string
	for _, command := range verbs(root(nil)) {
		command.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	}
	pages, err := filepath.Glob(filepath.Join(source, "docs", "*.md"))
	if err != nil || len(pages) < 5 {
		t.Fatalf("got %d pages, %v", len(pages), err)
	}
	pages = append(pages, filepath.Join(source, "README.md"))
	pages = slices.DeleteFunc(pages, func(page string) bool { return slices.Contains(pagesOfSuites, filepath.Base(page)) })
	seen := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range unknownFlags(string(text), known, &seen) {
			t.Errorf("%s names the flag --%s, which no verb has", page, name)
		}
	}
	if seen < 50 {
		t.Errorf("only %d flags were found in the manual", seen)
	}
	if found := unknownFlags("use `--nonsense` or --seed", known, &seen); !slices.Equal(found, []string{"nonsense"}) {
		t.Errorf("the check does not find what it looks for: %q", found)
	}
}

func unknownFlags(text string, known []string, seen *int) []string {
	var unknown []string
	for line := range strings.Lines(text) {
		if otherPrograms.MatchString(line) {
			continue
		}
		for _, match := range flagIn.FindAllStringSubmatch(line, -1) {
			*seen++
			if !slices.Contains(known, match[1]) {
				unknown = append(unknown, match[1])
			}
		}
	}
	return unknown
}

var exitRow = regexp.MustCompile(`(?m)^\| ([0-9, ]+) \|`)

func TestTheManualListsTheExitCodes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(source, "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "## Exit codes\n")
	if !found {
		t.Fatal("docs/cli.md has no table of exit codes")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	var documented []int
	for _, row := range exitRow.FindAllStringSubmatch(table, -1) {
		for _, code := range strings.Split(row[1], ",") {
			n, err := strconv.Atoi(strings.TrimSpace(code))
			if err != nil {
				t.Fatal(err)
			}
			documented = append(documented, n)
		}
	}
	if want := exitCodes(t); !slices.Equal(documented, want) {
		t.Errorf("docs/cli.md lists the exit codes %d, the program has %d", documented, want)
	}
}

// exitCodes reads the constants named exit… from the source. It replaces the constant for signals
// by the exit codes after SIGHUP, SIGINT and SIGTERM.
func exitCodes(t *testing.T) []int {
	t.Helper()
	var codes []int
	for _, file := range goFiles(t, ".") {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(node ast.Node) bool {
			value, ok := node.(*ast.ValueSpec)
			if !ok || !regexp.MustCompile(`^exit[A-Z]`).MatchString(value.Names[0].Name) || len(value.Values) != 1 {
				return true
			}
			literal, ok := value.Values[0].(*ast.BasicLit)
			if !ok || literal.Kind != token.INT {
				return true
			}
			code, err := strconv.Atoi(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			if value.Names[0].Name == "exitSignal" {
				codes = append(codes, code+1, code+2, code+15)
			} else {
				codes = append(codes, code)
			}
			return true
		})
	}
	slices.Sort(codes)
	return codes
}

var schemaIn = regexp.MustCompile(`"(snapback/[a-z-]+/[0-9]+)"`)

func TestEachSchemaInTheSourceIsListed(t *testing.T) {
	found := map[string]string{}
	for _, file := range goFiles(t, source) {
		if strings.HasPrefix(file, filepath.Join(source, "suites")) {
			continue // the program does not contain the suites
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range schemaIn.FindAllStringSubmatch(string(text), -1) {
			found[match[1]] = file
		}
	}
	for schema, file := range found {
		if !slices.Contains(schemas, schema) {
			t.Errorf("%s has the schema %s, which `snapback version` does not list", file, schema)
		}
	}
	for _, schema := range schemas {
		if found[schema] == "" {
			t.Errorf("`snapback version` lists the schema %s, which is nowhere in the source", schema)
		}
	}
	printed := snapback(t, "version").stdout
	for _, schema := range schemas {
		if !strings.Contains(printed, schema) {
			t.Errorf("want %s in what `snapback version` prints:\n%s", schema, printed)
		}
	}
}

// goFiles returns the Go files below a directory. It leaves out the test files.
func goFiles(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
