package servers_test

import (
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/suites/servers"
)

func TestWhatIsMissingIsAnErrorThatNamesTheCommand(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // an empty cache, so that nothing is installed
	t.Setenv("HOME", t.TempDir())
	s := servers.Start(t.Context(), t.TempDir())
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for name, start := range map[string]func() error{
		"MinIO":       func() error { _, err := s.MinIO(); return err },
		"MinIO image": func() error { return s.MinIOImage("test") },
		"GCS":         func() error { _, err := s.GCS(); return err },
		"Azure":       func() error { _, err := s.Azure(); return err },
		"HDFS":        func() error { _, err := s.HDFS(); return err },
		"S3 of Flink": func() error { _, err := servers.FlinkS3Plugin(t.Context(), flink.DefaultVersion); return err },
		"Flink":       func() error { _, err := servers.Flink(t.Context(), flink.DefaultVersion); return err },
	} {
		t.Run(name, func(t *testing.T) {
			err := start()
			if err == nil || !strings.Contains(err.Error(), "run: "+servers.Command) {
				t.Errorf("want an error that names the command %q, got: %v", servers.Command, err)
			}
		})
	}
}
