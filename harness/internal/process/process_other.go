//go:build !linux

package process

import "os/exec"

// dieWithParent does nothing where the kernel offers no such thing.
func dieWithParent(*exec.Cmd) {}

func kill(command *exec.Cmd) error { return command.Process.Kill() }
