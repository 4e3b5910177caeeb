package filesystem

import (
	"errors"
	"fmt"
	"io/fs"
)

// TooLargeError is returned when a file that must fit in memory does not.
type TooLargeError struct {
	Name  string
	Limit int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("read %s: want at most %d bytes, got more", e.Name, e.Limit)
}

// IgnoreNotExist returns the error, unless it says that something does not exist.
func IgnoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Failure makes the error of an operation on a name.
func Failure(operation, name string, err error) error {
	return &fs.PathError{Op: operation, Path: name, Err: err}
}
