package object

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

// answer is an error of the same form as an error of the S3 client.
type answer struct{ code, request string }

func (a *answer) ErrorCode() string { return a.code }
func (a *answer) Error() string {
	return fmt.Sprintf("https response error, RequestID: %s, api error %s", a.request, a.code)
}

// The meaning of an error must not depend on digits in the request's id.
func TestErrorsMeanWhatTheStoreSaid(t *testing.T) {
	bucket := &Bucket{name: "s3://bucket", store: amazon{}}
	meanings := []error{fs.ErrExist, fs.ErrNotExist, fs.ErrPermission}
	for code, want := range map[string]int{"PreconditionFailed": 0, "NoSuchKey": 1, "NoSuchBucket": 1, "AccessDenied": 2, "SlowDown": -1} {
		for _, request := range []string{"18EB251E97D301BB", "18EB251E97D404BB", "18EB251E97D000BB"} {
			err := bucket.failure("close", "s3://bucket/key", fmt.Errorf("blob: %w", &answer{code, request}))
			for i, meaning := range meanings {
				if errors.Is(err, meaning) != (i == want) {
					t.Errorf("%s of request %s: got %v", code, request, err)
				}
			}
		}
	}
}
