// Command snapback tests whether stream jobs come back: it kills them in the
// middle of a checkpoint, cancels them under every cleanup mode, resumes them from
// what was retained, and says with evidence what was lost, doubled or leaked.
//
// It starts fast, because it also runs each process of the reference. What needs large
// libraries is in the program snapback-full, to which it hands over.
package main

import "github.com/snapback/snapback/cmd/internal/commandline"

func main() { commandline.Main(nil) }
