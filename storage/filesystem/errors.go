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

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
