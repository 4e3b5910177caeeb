package faults

import (
	"fmt"
	"syscall"
	"time"
)

// operation is embedded in each action that changes or replaces an operation on storage.
type operation struct{}

func (operation) whom() Process { return "" }
func (operation) needs() string { return "tap" }
func (operation) ofOperation()  {}

type toOperations interface{ ofOperation() }

// Fail makes an operation fail. Nothing of the operation is carried out.
type Fail struct {
	operation
	Errno syscall.Errno // the error: EIO, ENOSPC, EACCES, EROFS, ETIMEDOUT or ENOENT
}

func (f Fail) String() string { return "Fail " + errorName(f.Errno) }
func (f Fail) describe() string {
	return "makes the operation fail with " + errorName(f.Errno)
}

// failures are the errors with which an operation can fail.
var failures = []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EACCES, syscall.EROFS, syscall.ETIMEDOUT, syscall.ENOENT}

func errorName(errno syscall.Errno) string {
	switch errno {
	case syscall.EIO:
		return "EIO"
	case syscall.ENOSPC:
		return "ENOSPC"
	case syscall.EACCES:
		return "EACCES"
	case syscall.EROFS:
		return "EROFS"
	case syscall.ETIMEDOUT:
		return "ETIMEDOUT"
	case syscall.ENOENT:
		return "ENOENT"
	}
	return fmt.Sprintf("errno-%d", uintptr(errno))
}

// Drop makes a sync fail, and removes from the file the data that the sync should have made
// durable.
type Drop struct{ operation }

func (Drop) String() string { return "Drop" }
func (Drop) describe() string {
	return "makes a sync fail, and drops the data that the sync should have made durable"
}

// Short makes a write store only its first bytes, and then fail as on a full disk.
type Short struct {
	operation
	KeptBytes int64
}

func (s Short) String() string { return fmt.Sprintf("Short %d", s.KeptBytes) }
func (s Short) describe() string {
	return fmt.Sprintf("writes only the first %d bytes, and then fails as on a full disk", s.KeptBytes)
}

// Flip flips a bit of the data that a reader gets.
type Flip struct {
	operation
	OffsetBytes int64 // the offset of the byte in which a bit is flipped
}

func (f Flip) String() string { return fmt.Sprintf("Flip %d", f.OffsetBytes) }
func (f Flip) describe() string {
	return fmt.Sprintf("flips a bit of the data that is read, after %d bytes", f.OffsetBytes)
}

// Truncate lets a reader read only the first bytes.
type Truncate struct {
	operation
	KeptBytes int64
}

func (t Truncate) String() string { return fmt.Sprintf("Truncate %d", t.KeptBytes) }
func (t Truncate) describe() string {
	return fmt.Sprintf("lets the reader read only the first %d bytes", t.KeptBytes)
}

// Delay delays an operation.
type Delay struct {
	operation
	Wait time.Duration
}

func (d Delay) String() string   { return fmt.Sprintf("Delay %s", d.Wait) }
func (d Delay) describe() string { return fmt.Sprintf("delays the operation by %s", d.Wait) }

// Lose carries out an operation, but reports that the operation failed.
type Lose struct{ operation }

func (Lose) String() string   { return "Lose" }
func (Lose) describe() string { return "does the operation, but reports that it failed" }

// Throttle refuses operations because a client sends too many operations, as S3 does with status
// 503. The field Times is the number of operations that it refuses.
type Throttle struct {
	operation
	Times int64
}

func (t Throttle) String() string { return fmt.Sprintf("Throttle %d", t.Times) }
func (t Throttle) describe() string {
	return fmt.Sprintf("refuses %d operations as too many, with status 503", t.Times)
}

// Stale makes a listing outdated: the file or directory that was created last is missing in it.
type Stale struct{ operation }

func (Stale) String() string   { return "Stale" }
func (Stale) describe() string { return "leaves the newest name out of a listing" }

// Refuse refuses a conditional write, which may only create an object, as if the object existed
// already.
type Refuse struct{ operation }

func (Refuse) String() string { return "Refuse" }
func (Refuse) describe() string {
	return "refuses a conditional write as if the object existed already"
}

// Leave makes an upload fail before it is complete. The data that were uploaded stay invisible.
type Leave struct{ operation }

func (Leave) String() string { return "Leave" }
func (Leave) describe() string {
	return "makes an upload fail before it is complete; the uploaded data stay invisible"
}

var ofOperations = []rule{
	{
		name: "Fail", moments: inItsPlace,
		read:     func(p *parser) Action { return Fail{Errno: choose(p, "an error", failures, errorName)} },
		examples: []Fault{at(Fail{Errno: syscall.EIO}, On, Any, "*/chk-*")},
	},
	{
		name: "Drop", moments: inItsPlace, on: []Kind{Sync},
		read:     func(*parser) Action { return Drop{} },
		examples: []Fault{at(Drop{}, On, Sync, "*/chk-*")},
	},
	{
		name: "Short", moments: inItsPlace, on: []Kind{Write},
		read:     func(p *parser) Action { return Short{KeptBytes: p.bytes()} },
		examples: []Fault{at(Short{KeptBytes: 3}, On, Write, "*/chk-*")},
	},
	{
		name: "Flip", moments: inItsPlace, on: []Kind{Read, Get},
		read:     func(p *parser) Action { return Flip{OffsetBytes: p.bytes()} },
		examples: []Fault{at(Flip{OffsetBytes: 20}, On, Read, "*/_metadata")},
	},
	{
		name: "Truncate", moments: inItsPlace, on: []Kind{Read, Get},
		read:     func(p *parser) Action { return Truncate{KeptBytes: p.bytes()} },
		examples: []Fault{at(Truncate{KeptBytes: 20}, On, Get, "*/_metadata")},
	},
	{
		name: "Delay", moments: inItsPlace,
		read:     func(p *parser) Action { return Delay{Wait: p.duration()} },
		examples: []Fault{at(Delay{Wait: 50 * time.Millisecond}, On, Sync, "*/chk-*")},
	},
	{
		name: "Lose", moments: inItsPlace,
		read:     func(*parser) Action { return Lose{} },
		examples: []Fault{at(Lose{}, On, Put, "*/_metadata")},
	},
	{
		name: "Throttle", moments: inItsPlace, on: objectKinds,
		read:     func(p *parser) Action { return Throttle{Times: p.number("how many times", "", 1)} },
		examples: []Fault{at(Throttle{Times: 3}, On, Put, "*/chk-*")},
	},
	{
		name: "Stale", moments: inItsPlace, on: []Kind{List},
		read:     func(*parser) Action { return Stale{} },
		examples: []Fault{at(Stale{}, On, List, "*")},
	},
	{
		name: "Refuse", moments: inItsPlace, on: []Kind{Put},
		read:     func(*parser) Action { return Refuse{} },
		examples: []Fault{at(Refuse{}, On, Put, "*/_metadata")},
	},
	{
		name: "Leave", moments: inItsPlace, on: []Kind{Put},
		read:     func(*parser) Action { return Leave{} },
		examples: []Fault{at(Leave{}, On, Put, "*/chk-*")},
	},
}
