package flink

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeInstallation creates files that look like an installed release of Flink. Nothing can be
// compiled for it.
func fakeInstallation(t *testing.T, cache, version string) {
	t.Helper()
	lib := filepath.Join(cache, version, "lib", "python3.11", "site-packages", "pyflink", "lib")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(lib, "flink-dist-"+version+".jar"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestARunWaitsOnlyForTheInstallationOfItsOwnRelease(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	fakeInstallation(t, cache, "1.20.5")
	fakeInstallation(t, cache, "2.3.0")
	unlock, err := lock(t.Context(), filepath.Join(cache, "1.20.5.lock")) // as an installation does
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	const waits = "wait for another installation"
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Provision(ctx, Options{Version: "1.20.5"}, func(string) {}); err == nil || !strings.Contains(err.Error(), waits) {
		t.Errorf("the same release: want %q, got %v", waits, err)
	}
	if _, err := Provision(t.Context(), Options{Version: "2.3.0"}, func(string) {}); err == nil || strings.Contains(err.Error(), waits) {
		t.Errorf("another release: want it not to wait, and that nothing can be compiled, got %v", err)
	}
}
