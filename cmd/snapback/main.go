// Command snapback tests whether stream jobs recover. It kills jobs in the middle of a checkpoint,
// cancels them under every cleanup mode, and resumes them from retained checkpoints. Then it
// reports, with evidence, which records were lost or doubled, and which files were leaked.
//
// The program must start fast, because each process of the reference runs this program. The
// program snapback-full holds the features that need large libraries. If a command needs such a
// feature, snapback runs snapback-full instead.
package main

import "github.com/snapback/snapback/cmd/internal/commandline"

func main() { commandline.Main(nil) }
