//go:build !linux

package process

import "os/exec"

// dieWithParent does nothing: only Linux can kill a process when its parent dies.
func dieWithParent(*exec.Cmd) {}

func kill(command *exec.Cmd) error { return command.Process.Kill() }
