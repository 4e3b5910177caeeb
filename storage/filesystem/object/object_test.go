package object

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

// answer is an error as S3's client has it.
type answer struct{ code, request string }

func (a *answer) ErrorCode() string { return a.code }
func (a *answer) Error() string {
	return fmt.Sprintf("https response error, RequestID: %s, api error %s", a.request, a.code)
}

// What an error means does not depend on the digits of the request's number.
func TestErrorsMeanWhatTheStoreSaid(t *testing.T) {
	bucket := &Bucket{name: "s3://bucket"}
	for code, want := range map[string]error{
		"PreconditionFailed": fs.ErrExist, "NoSuchKey": fs.ErrNotExist, "AccessDenied": fs.ErrPermission, "NoSuchBucket": fs.ErrNotExist, "SlowDown": nil,
	} {
		for _, request := range []string{"18EB251E97D301BB", "18EB251E97D404BB", "18EB251E97D000BB"} {
			err := bucket.failure("close", "s3://bucket/key", fmt.Errorf("blob: %w", &answer{code, request}))
			for _, meaning := range []error{fs.ErrExist, fs.ErrNotExist, fs.ErrPermission} {
				if errors.Is(err, meaning) != (meaning == want) {
					t.Errorf("%s of request %s: got %v", code, request, err)
				}
			}
		}
	}
}
