package storage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
	"github.com/snapback/snapback/storage/metadata/specimen"
	"github.com/snapback/snapback/suites/realflink"
)

// kinds lists the kinds of checkpoints that real Flink writes during the test.
var kinds = []string{
	"hashmap", "rocksdb-incremental", "changelog", "filemerging", "unaligned", "rescaled", "savepoint-native", "savepoint-canonical",
}

// written lets real Flink write checkpoints below a root. It returns the paths of the checkpoints,
// by their kind.
func written(ctx context.Context, host *realflink.Flink, root string, arguments ...string) map[string][]string {
	GinkgoHelper()
	lines, err := realflink.Run[realflink.Written](ctx, host, GinkgoT().TempDir(), append([]string{"write", root}, arguments...)...)
	Expect(err).NotTo(HaveOccurred())
	paths := map[string][]string{}
	for _, line := range lines {
		Expect(line.Paths).NotTo(BeEmpty(), line.Name)
		paths[line.Name] = line.Paths
	}
	return paths
}

func verify(path string, depth audit.Depth) audit.Verification {
	GinkgoHelper()
	verification, err := (&audit.Auditor{Files: files}).Verify(context.Background(), path, depth)
	Expect(err).NotTo(HaveOccurred())
	return verification
}

// leaveOut deletes the given fields from a JSON object. Only one of the two compared objects has
// these fields.
func leaveOut(object any, fields ...string) {
	for _, field := range fields {
		delete(object.(map[string]any), field)
	}
}

// expectFlinkReadsTheSame compares what Flink's own classes read with what our reader reads.
func expectFlinkReadsTheSame(ctx context.Context, metadataFiles []string) {
	GinkgoHelper()
	lines, err := realflink.Run[map[string]any](ctx, local, GinkgoT().TempDir(), append([]string{"read"}, metadataFiles...)...)
	Expect(err).NotTo(HaveOccurred())
	Expect(lines).To(HaveLen(len(metadataFiles)))
	for i, file := range metadataFiles {
		inspection, err := (&audit.Auditor{Files: files}).Inspect(file)
		Expect(err).NotTo(HaveOccurred())
		data, err := json.Marshal(inspection)
		Expect(err).NotTo(HaveOccurred())
		var ours map[string]any
		Expect(json.Unmarshal(data, &ours)).To(Succeed())
		leaveOut(ours, "schema", "path", "kind", "backend", "readableBy", "uids", "nameless", "outside")
		leaveOut(lines[i], "schema", "path")
		for _, operator := range ours["operators"].([]any) {
			leaveOut(operator, "bytes", "backend", "states")
		}
		for _, of := range ours["files"].([]any) {
			leaveOut(of, "usedBy")
		}
		Expect(ours).To(Equal(lines[i]), file)
	}
}

var _ = Describe("Checkpoints that real Flink writes", Ordered, func() {
	var paths map[string][]string
	var all []string

	BeforeAll(func(ctx SpecContext) {
		paths = written(ctx, local, GinkgoT().TempDir())
		for _, kind := range kinds {
			Expect(paths).To(HaveKey(kind))
			all = append(all, paths[kind]...)
		}
	}, NodeTimeout(3*time.Minute))

	It("are read by inspect in the same way as by Flink's own classes", func(ctx SpecContext) {
		var metadataFiles []string
		for _, path := range all {
			metadataFiles = append(metadataFiles, strings.TrimPrefix(path, "file:")+"/"+storage.MetadataName)
		}
		expectFlinkReadsTheSame(ctx, metadataFiles)
	}, SpecTimeout(time.Minute))

	It("are restorable: verify says so after reading every byte, and Flink restores them", func(ctx SpecContext) {
		for _, path := range all {
			Expect(verify(path, audit.Deep).Findings).To(BeEmpty(), path)
		}
		expectResumed(ctx, local, all)
	}, SpecTimeout(2*time.Minute))

	It("are refused by Flink if verify calls them not restorable", func(ctx SpecContext) {
		var damaged []string
		for _, origin := range []string{paths["hashmap"][1], paths["savepoint-native"][0]} {
			damaged = append(damaged, damagedCopies(strings.TrimPrefix(origin, "file:"))...)
		}
		Expect(len(damaged)).To(BeNumerically(">", 12))
		resumed, err := realflink.Run[realflink.Resumed](ctx, local, GinkgoT().TempDir(), append([]string{"resume"}, damaged...)...)
		Expect(err).NotTo(HaveOccurred())
		for _, r := range resumed {
			Expect(r.Restored && r.Consistent != nil && *r.Consistent).To(BeFalse(), "Flink came back from %s", r.Path)
		}
	}, SpecTimeout(3*time.Minute))
})

// expectResumed checks that real Flink can resume from checkpoints.
func expectResumed(ctx context.Context, host *realflink.Flink, paths []string) {
	GinkgoHelper()
	resumed, err := realflink.Run[realflink.Resumed](ctx, host, GinkgoT().TempDir(), append([]string{"resume"}, paths...)...)
	Expect(err).NotTo(HaveOccurred())
	Expect(resumed).To(HaveLen(len(paths)))
	for _, r := range resumed {
		Expect(r.Restored).To(BeTrue(), "%s: %s", r.Path, r.Error)
		Expect(r.Consistent).To(HaveValue(BeTrue()), r.Path)
	}
}

// damagedCopies copies a checkpoint that can be moved, once for each kind of damage. It checks that
// the command verify finds the damage.
func damagedCopies(origin string) []string {
	GinkgoHelper()
	completed, err := storage.Resolve(files, origin)
	Expect(err).NotTo(HaveOccurred())
	victims := map[string]string{} // the file to damage, for each part of the state
	for reference := range completed.Checkpoint.References() {
		name, _, err := storage.FileOf(origin, reference.Stream)
		Expect(err).NotTo(HaveOccurred())
		part := reference.State
		if strings.HasSuffix(part, ".sst") {
			part = "table"
		}
		if !strings.Contains(part, "OPTIONS") && !strings.Contains(part, "MANIFEST") { // Flink does not notice damage in these files
			victims[part] = filepath.Base(name)
		}
	}
	victims["metadata"] = storage.MetadataName
	root := GinkgoT().TempDir()
	var damaged []string
	for part, victim := range victims {
		for how, damage := range map[string]func(name string, size int64) error{
			"missing":   func(name string, _ int64) error { return os.Remove(name) },
			"truncated": func(name string, size int64) error { return os.Truncate(name, size-1) },
			"emptied":   func(name string, _ int64) error { return os.Truncate(name, 0) },
		} {
			if victim == storage.MetadataName && how == "missing" {
				continue // without _metadata the directory is no checkpoint
			}
			copied := filepath.Join(root, fmt.Sprintf("%s-%d", how, len(damaged)), filepath.Base(origin))
			Expect(os.CopyFS(copied, os.DirFS(origin))).To(Succeed())
			name := filepath.Join(copied, victim)
			info, err := os.Stat(name)
			Expect(err).NotTo(HaveOccurred())
			Expect(damage(name, info.Size())).To(Succeed())
			verification := verify(copied, audit.Shallow)
			Expect(verification.Restorable).To(BeFalse(), "%s of %s (%s)", victim, part, how)
			Expect(verification.Findings[0].File).To(Equal("file:" + name))
			damaged = append(damaged, copied)
		}
	}
	return damaged
}

var _ = Describe("Checkpoints that real Flink writes elsewhere", func() {
	for store, root := range map[string]func() string{
		"hdfs": func() string { return hdfs + "/flink" },
		"s3":   func() string { return bucket + "/flink" },
	} {
		It("are listed and restorable on "+store, func(ctx SpecContext) {
			host := onHDFS
			arguments := []string{"hashmap", "rocksdb-incremental", "changelog", "savepoint-native", "savepoint-canonical"}
			if store == "s3" {
				host = onS3
			}
			paths := written(ctx, host, root(), arguments...)
			list, err := (&audit.Auditor{Files: files}).List(ctx, root())
			Expect(err).NotTo(HaveOccurred())
			var resume []string
			for _, kind := range arguments {
				for _, path := range paths[kind] {
					Expect(verify(path, audit.Deep).Findings).To(BeEmpty(), path)
					at := slices.IndexFunc(list.Checkpoints, func(c audit.Listed) bool { return c.Path == strings.TrimSuffix(path, "/") })
					Expect(at).To(BeNumerically(">=", 0), "%s is not in the list", path)
					Expect(list.Checkpoints[at].Restorable).To(BeTrue(), list.Checkpoints[at].Problem)
				}
				resume = append(resume, paths[kind][len(paths[kind])-1])
			}
			orphans, err := (&audit.Auditor{Files: files}).Orphans(ctx, root(), audit.OrphanOptions{Now: time.Now().Add(time.Hour)})
			Expect(err).NotTo(HaveOccurred())
			Expect(orphans.Checkpoints).To(Equal(len(list.Checkpoints)))
			expectResumed(ctx, host, resume)
		}, SpecTimeout(5*time.Minute))
	}
})

var _ = Describe("The checkpoint that FLINK-39964 makes unrestorable", func() {
	It("is called not restorable by verify, before anybody tries to restore it", func(ctx SpecContext) {
		lines, err := realflink.Run[realflink.Unrestorable](ctx, local, GinkgoT().TempDir(), "flink39964", GinkgoT().TempDir())
		Expect(err).NotTo(HaveOccurred())
		Expect(lines).To(HaveLen(1))
		verification := verify(lines[0].Path, audit.Shallow)
		Expect(verification.Restorable).To(BeFalse())
		Expect(verification.Findings[0].Kind).To(Equal(audit.Missing))
		Expect(verification.Findings[0].Operator).To(Equal("cnt"))
		resumed, err := realflink.Run[realflink.Resumed](ctx, local, GinkgoT().TempDir(), "resume", lines[0].Path)
		Expect(err).NotTo(HaveOccurred())
		Expect(resumed[0].Restored).To(BeFalse())
		Expect(resumed[0].Error).To(ContainSubstring("FileNotFoundException"))
	}, SpecTimeout(2*time.Minute))
})

var _ = Describe("Metadata that we write", func() {
	It("is accepted by Flink's own classes, with every kind of handle, in every version", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		var names []string
		for version := int32(metadata.VersionMin); version <= metadata.Version; version++ {
			data, err := metadata.Encode(specimen.Everything(version))
			Expect(err).NotTo(HaveOccurred())
			name := filepath.Join(dir, fmt.Sprintf("_metadata.v%d", version))
			Expect(os.WriteFile(name, data, 0o600)).To(Succeed())
			names = append(names, name)
		}
		loaded, err := realflink.Run[realflink.Loaded](ctx, local, dir, append([]string{"load"}, names...)...)
		Expect(err).NotTo(HaveOccurred())
		Expect(loaded).To(HaveLen(len(names)))
		for _, l := range loaded {
			Expect(l.OK).To(BeTrue(), "%s: %s", l.File, l.Error)
		}
	}, SpecTimeout(time.Minute))
})

var _ = Describe("Checkpoints that the reference writes", func() {
	It("are accepted by Flink's own classes, which read the same from them", func(ctx SpecContext) {
		root := GinkgoT().TempDir()
		var metadataFiles []string
		for i, inline := range []string{"0", "20 kb"} {
			e := startEngine(2, configuration.Configuration{configuration.NumRetained.Key: "2"})
			id := fmt.Sprintf("%032x", i+1)
			j := newJob(id, filesystem.URL(root), GinkgoT().TempDir())
			j.Parallelism = 2
			j.Configuration[configuration.InlineMax.Key] = inline
			Expect(e.ask(func(client reference.Client) error { return client.Submit(j) })).To(Succeed())
			Eventually(func() int { return len(e.completed(id)) }).WithTimeout(time.Minute).Should(BeNumerically(">=", 2), e.explain)
			Expect(e.ask(func(client reference.Client) error {
				path, err := client.Savepoint(id, filesystem.URL(root)+"/savepoints", protocol.Suspend, time.Minute)
				metadataFiles = append(metadataFiles, path+"/"+storage.MetadataName)
				return err
			})).To(Succeed())
			Eventually(func() bool { return e.status(id).Terminal() }).WithTimeout(time.Minute).Should(BeTrue())

			again := newJob(fmt.Sprintf("%032x", i+11), filesystem.URL(root), GinkgoT().TempDir())
			again.Configuration[configuration.InlineMax.Key] = inline
			Expect(e.ask(func(client reference.Client) error { return client.Submit(again) })).To(Succeed())
			Eventually(func() int { return len(e.completed(again.ID)) }).WithTimeout(time.Minute).Should(BeNumerically(">=", 2), e.explain)
			Expect(e.ask(func(client reference.Client) error { return client.Cancel(again.ID) })).To(Succeed())
			Eventually(func() bool { return e.status(again.ID).Terminal() }).WithTimeout(time.Minute).Should(BeTrue())
			for _, checkpoint := range newest(e.completed(again.ID), 2) {
				metadataFiles = append(metadataFiles, filepath.Join(root, again.ID, storage.CheckpointName(checkpoint), storage.MetadataName))
			}
		}
		loaded, err := realflink.Run[realflink.Loaded](ctx, local, GinkgoT().TempDir(), append([]string{"load"}, metadataFiles...)...)
		Expect(err).NotTo(HaveOccurred())
		Expect(loaded).To(HaveLen(6))
		for _, l := range loaded {
			Expect(l.OK).To(BeTrue(), "%s: %s", l.File, l.Error)
		}
		expectFlinkReadsTheSame(ctx, metadataFiles)
	}, SpecTimeout(2*time.Minute))
})
