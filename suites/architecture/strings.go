package architecture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
)

// packagePath matches a package of this module in the forms that the go command accepts. The ending
// /... includes all packages below the package.
var packagePath = regexp.MustCompile(`^(?:\.|` + regexp.QuoteMeta(Module) + `)/([a-z0-9]+)((?:/[a-z0-9]+)*)(?:/\.\.\.)?$`)

// StringEdges finds string literals in a Go file that name a package of this module, such as
// "./x/y" or the import path of x/y. It returns an edge for each. A program that builds a package
// by its path depends on the package, although it does not import it.
func StringEdges(from, code string) ([]Edge, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", code, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("find paths of packages in %s: %w", from, err)
	}
	var edges []Edge
	ast.Inspect(file, func(node ast.Node) bool {
		if _, imports := node.(*ast.ImportSpec); imports {
			return false
		}
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			panic(err) // the parser accepted it
		}
		path := packagePath.FindStringSubmatch(text)
		if path == nil {
			return true
		}
		if _, folder := arrows[path[1]]; folder {
			edges = append(edges, Edge{From: from, To: Module + "/" + path[1] + path[2]})
		}
		return true
	})
	return edges, nil
}
