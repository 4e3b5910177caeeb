package filesystem

import (
	"errors"
	"fmt"
	"io/fs"
)

// TooLargeError says that a file is larger than the reader allows.
type TooLargeError struct {
	Name  string
	Limit int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("read %s: want at most %d bytes, got more", e.Name, e.Limit)
}

// IgnoreNotExist returns nil for an error that wraps [io/fs.ErrNotExist]. It returns other errors
// unchanged.
func IgnoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Failure returns an error that says which operation failed on which name.
func Failure(operation, name string, err error) error {
	return &fs.PathError{Op: operation, Path: name, Err: err}
}
