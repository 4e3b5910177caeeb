package audit

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// OrphansSchema names the format of [Orphans].
const OrphansSchema = "snapback/orphans/1"

// Orphans lists the files below a root that no checkpoint needs. This is proven for each of these
// files.
type Orphans struct {
	Schema      string    `json:"schema"`
	Root        string    `json:"root"`
	Now         time.Time `json:"now"`
	Age         string    `json:"age"`         // a file that is younger than this is unknown
	Checkpoints int       `json:"checkpoints"` // number of checkpoints that were read
	Files       int64     `json:"files"`       // number of files that were found
	Referenced  int64     `json:"referenced"`  // number of files that belong to checkpoints
	Orphans     []Orphan  `json:"orphans"`
	Unknown     []Unknown `json:"unknown"`
	Doubts      []string  `json:"doubts"` // reasons why no file counts as an orphan; if there is one, Orphans is empty
	Roots       []string  `json:"roots"`  // directories in which checkpoints were read
	Empty       []string  `json:"emptyDirectories"`

	denied      error
	age         time.Duration
	also, moves []string
}

// Denied returns an error if the user had no permission to read some file or directory.
func (o Orphans) Denied() error { return o.denied }

// Orphan is a file that no checkpoint needs.
type Orphan struct {
	Path     string    `json:"path"`
	Bytes    int64     `json:"bytes"`
	Modified time.Time `json:"modified,omitzero"`
	Source   Source    `json:"source"`
}

// Unknown is a group of files. It is not known whether a checkpoint needs these files. The reason
// for this is the same for all files of the group.
type Unknown struct {
	Reason string `json:"reason"`
	Files  int64  `json:"files"`
	Bytes  int64  `json:"bytes"`
	First  string `json:"first"` // one of these files: the first in the order of names
}

// Source says how a file became an orphan.
type Source string

// The sources of orphans.
const (
	UnfinishedCheckpoint Source = "unfinished-checkpoint"
	InProgressMetadata   Source = "in-progress-metadata"
	StrayExclusive       Source = "stray-exclusive"
	UnreferencedShared   Source = "unreferenced-shared"
	UnreferencedTask     Source = "unreferenced-taskowned"
	SealWithout          Source = "seal-without-checkpoint"
)

// Sources lists all sources.
func Sources() []Source {
	return []Source{UnfinishedCheckpoint, InProgressMetadata, StrayExclusive, UnreferencedShared, UnreferencedTask, SealWithout}
}

// Explain describes the orphans that have this source.
func (s Source) Explain() string {
	return map[Source]string{
		UnfinishedCheckpoint: "of a checkpoint that was aborted, or that a crash interrupted before it had _metadata",
		InProgressMetadata:   "a temporary _metadata that a crash left",
		StrayExclusive:       "written into a checkpoint's directory by a task that was too late, or whose job had ended",
		UnreferencedShared:   "shared state that was written for a checkpoint that never completed, or that was left when a job was suspended or canceled",
		UnreferencedTask:     "task-owned or merged state that was left when a TaskManager stopped",
		SealWithout:          "a seal whose checkpoint is gone",
	}[s]
}

// DefaultAge is the smallest age at which a file counts as an orphan by default. A younger file may
// belong to a checkpoint in progress. Then no `_metadata` refers to the file yet.
const DefaultAge = time.Hour

// OrphanOptions are the options of [Auditor.Orphans].
type OrphanOptions struct {
	Now  time.Time
	Age  time.Duration // files that are younger than this at the time Now are unknown
	Also []string      // other roots whose checkpoints may depend on files below the root
}

// Orphans finds the files below a root that no checkpoint needs. This is proven for each of these
// files. Orphans reads the checkpoints below the root and below the other roots. If the root is a
// part of a job, it also reads the checkpoints of the other jobs in the checkpoint directory. If
// one of these checkpoints cannot be read, or if a checkpoint's files are missing, no file counts
// as an orphan. Orphans changes nothing on storage.
func (a *Auditor) Orphans(ctx context.Context, root string, options OrphanOptions) (Orphans, error) {
	s, err := a.sweep(ctx, root, options)
	if err != nil {
		return Orphans{}, err
	}
	return s.judge(), nil
}

// sweep contains the files below a root, and the claims on these files.
type sweep struct {
	*claims
	root    string
	options OrphanOptions

	mu        sync.Mutex
	seen      []candidate
	jobs      map[string]bool     // directories of jobs
	holds     map[string]bool     // directories with `_metadata`
	renamed   map[fileKey]bool    // metadata files whose name is not `_metadata`
	positions map[string]position // the position of the files in a directory; the key is the directory
	empty     []string

	onObjectStore bool
}

// candidate is a file that was listed before the claims were collected.
type candidate struct {
	dir   string
	entry filesystem.Entry
}

func (c candidate) name() string {
	if filesystem.IsRoot(c.dir) {
		return filesystem.Join(c.dir, c.entry.Name)
	}
	return c.dir + "/" + c.entry.Name // Join would be too slow for many files
}

func (a *Auditor) sweep(ctx context.Context, root string, options OrphanOptions) (*sweep, error) {
	roots, err := a.rootsOf(append([]string{root}, options.Also...))
	if err != nil {
		return nil, err
	}
	s := &sweep{root: roots[0], options: options, jobs: map[string]bool{}, holds: map[string]bool{}, positions: map[string]position{}, renamed: map[fileKey]bool{}}
	s.onObjectStore = a.Files.CreatesWhole(s.root)
	// The files must be listed before the claims are collected; see the type claims.
	err = a.walk(ctx, s.root, func(dir string, entries []filesystem.Entry, err error) []string {
		if err != nil {
			return nil // collect below adds a doubt for each directory that cannot be read
		}
		return s.look(a, dir, entries)
	})
	if err != nil {
		return nil, err
	}
	if s.claims, err = a.collect(ctx, s.root, roots, present, s.hidden()); err != nil {
		return nil, err
	}
	s.jobs[s.root] = s.jobs[s.root] || a.isJobByAnyName(s.root)
	return s, s.readRenamed(ctx)
}

// look records the files of a directory, and returns its subdirectories.
func (s *sweep) look(a *Auditor, dir string, entries []filesystem.Entry) (below []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isJob(dir, entries) {
		s.jobs[dir] = true
	}
	if len(entries) == 0 && dir != s.root {
		s.empty = append(s.empty, filesystem.URL(dir))
	}
	for _, entry := range entries {
		c := candidate{dir, entry}
		switch {
		case entry.Directory:
			below = append(below, c.name())
			continue
		case entry.Name == storage.MetadataName:
			s.holds[dir] = true
		}
		s.seen = append(s.seen, c)
		if n := len(s.seen); n%1000 == 0 {
			a.progress("files looked at", int64(n), 0)
		}
	}
	return below
}

// hidden lists the checkpoints that are inside directories for state.
func (s *sweep) hidden() []foundCheckpoint {
	hidden := []foundCheckpoint{}
	for _, c := range s.seen {
		if c.entry.Name == storage.MetadataName && amongState(c.dir) {
			hidden = append(hidden, foundCheckpoint{Pointer: storage.PointerTo(c.dir), entry: c.entry})
		}
	}
	return hidden
}

// readRenamed reads metadata files that have another name than `_metadata` and are in a
// checkpoint's directory. Flink can restore from such a file if a user gives the file's name.
func (s *sweep) readRenamed(ctx context.Context) error {
	files := newRemembered(s.Files)
	for _, c := range s.seen {
		at := s.place(c)
		if at.source != UnfinishedCheckpoint && at.source != StrayExclusive || c.entry.Name == storage.MetadataName || len(s.users[s.keyOf(c)]) > 0 || !s.isMetadata(c) {
			continue
		}
		found := foundCheckpoint{Pointer: storage.Pointer{Location: c.dir, Metadata: c.name()}, entry: c.entry}
		claim, _, err := s.claimant(ctx, found, files)
		if err != nil {
			return err
		}
		if claim == nil {
			continue // somebody deleted the file while sweep ran
		}
		s.renamed[s.keyOf(c)] = true
		if claim.doubt != "" {
			s.lasting, s.doubts = append(s.lasting, claim.doubt), append(s.doubts, claim.doubt)
		}
	}
	return nil
}

// isMetadata says whether a file has the beginning of a metadata file.
func (s *sweep) isMetadata(c candidate) bool {
	reader, err := s.Files.Open(c.name())
	if err != nil {
		return false
	}
	defer func() { _ = reader.Close() }() // an error of Close does no harm, because the file was only read
	begin := make([]byte, 4)
	_, err = io.ReadFull(reader, begin)
	return err == nil && metadata.Begins(begin)
}

// judge decides for each file whether it is needed, unknown or an orphan.
func (s *sweep) judge() Orphans {
	o := Orphans{
		Schema: OrphansSchema, Root: filesystem.URL(s.root), Now: s.options.Now, Age: s.options.Age.String(), Checkpoints: len(s.current),
		Files: int64(len(s.seen)), Orphans: []Orphan{}, Unknown: []Unknown{}, Doubts: append([]string{}, s.doubts...), Empty: append([]string{}, s.empty...), denied: s.denied(), age: s.options.Age, Roots: s.rootURLs(),
	}
	o.also, o.moves = s.urls(s.options.Also)
	unknown := map[string]*Unknown{}
	for _, c := range s.seen {
		switch judged := s.judgeFile(c); {
		case judged.needed:
			o.Referenced++
		case judged.unknown != "":
			addUnknown(unknown, judged.unknown, c)
		default:
			o.Orphans = append(o.Orphans, Orphan{Path: filesystem.URL(c.name()), Bytes: c.entry.Size, Modified: c.entry.Modified, Source: judged.source})
		}
	}
	for _, u := range unknown {
		o.Unknown = append(o.Unknown, *u)
	}
	slices.SortFunc(o.Unknown, func(a, b Unknown) int { return strings.Compare(a.Reason, b.Reason) })
	slices.SortFunc(o.Orphans, func(a, b Orphan) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(o.Empty)
	return o
}

func addUnknown(unknown map[string]*Unknown, why string, c candidate) {
	u := unknown[why]
	if u == nil {
		u = &Unknown{Reason: why, First: filesystem.URL(c.name())}
		unknown[why] = u
	}
	u.Files++
	u.Bytes += c.entry.Size
	u.First = min(u.First, filesystem.URL(c.name()))
}

// judgement says what was decided about a file. If needed is true, a checkpoint needs the file. If
// unknown is not empty, it is the reason why it is not proven whether a checkpoint needs the file.
// Otherwise the file is an orphan, and source says how it became an orphan.
type judgement struct {
	needed  bool
	unknown string
	source  Source
}

func (s *sweep) judgeFile(c candidate) judgement {
	key := s.keyOf(c)
	if c.entry.Name == storage.MetadataName || s.renamed[key] || len(s.users[key]) > 0 || s.sealsSomething(c) {
		return judgement{needed: true}
	}
	at := s.place(c)
	user, copied := s.copyOf(c.entry.Name)
	switch {
	case c.entry.Link:
		return judgement{unknown: "it is a symbolic link: look at the place that it leads to"}
	case at.source == "":
		return judgement{unknown: "it has no place in the layout of checkpoints"}
	case c.entry.Modified.IsZero():
		return judgement{unknown: "its age is not known"}
	case c.entry.Modified.After(s.options.Now):
		return judgement{unknown: "its time lies in the future: are the clocks right?"}
	case s.options.Now.Sub(c.entry.Modified) < s.options.Age:
		return judgement{unknown: fmt.Sprintf("it is younger than %s, and may belong to a checkpoint in progress", s.options.Age)}
	case len(s.doubts) > 0:
		return judgement{unknown: s.doubts[0]}
	case copied:
		return judgement{unknown: fmt.Sprintf("%s uses a file with this name in another directory: it may be a copy, or the same file under another name", filesystem.URL(user.Location))}
	}
	if why := s.activityIn(at.job).busy(c.entry, idOf(c.dir), s.onObjectStore, s.options.Now, s.options.Age); why != "" {
		return judgement{unknown: why}
	}
	return judgement{source: at.source}
}

// keyOf returns the key of a candidate. Unlike the method key, it computes the file's name only if
// the key needs the name, because there are many candidates.
func (s *sweep) keyOf(c candidate) fileKey {
	if c.entry.ID != (filesystem.FileID{}) {
		return fileKey{id: c.entry.ID}
	}
	return s.key(c.name(), c.entry)
}

func (s *sweep) sealsSomething(c candidate) bool {
	location, isSeal := strings.CutSuffix(c.entry.Name, SealSuffix)
	return isSeal && s.holds[filesystem.Join(c.dir, location)]
}

// position says where a file is in the layout of checkpoints.
type position struct {
	source Source // how the file may have become an orphan; empty if no engine writes files to this place
	job    string // directory of the job to which the file belongs
}

// place returns the position of a file.
func (s *sweep) place(c candidate) position {
	if location, isSeal := strings.CutSuffix(c.entry.Name, SealSuffix); isSeal {
		if _, ofCheckpoint := storage.ParseCheckpointName(location); ofCheckpoint {
			return position{SealWithout, c.dir}
		}
		return position{}
	}
	in, known := s.positions[c.dir]
	if !known {
		in = s.placeOf(c.dir)
		s.positions[c.dir] = in
	}
	if strings.HasPrefix(c.entry.Name, storage.InProgressPrefix) && (s.holds[c.dir] || in.source == UnfinishedCheckpoint) {
		return position{InProgressMetadata, filesystem.Dir(c.dir)}
	}
	return in
}

// placeOf returns the position of the files in a directory.
func (s *sweep) placeOf(dir string) position {
	if _, inCheckpoint := storage.ParseCheckpointName(path.Base(dir)); inCheckpoint {
		if s.holds[dir] {
			return position{StrayExclusive, filesystem.Dir(dir)}
		}
		return position{UnfinishedCheckpoint, filesystem.Dir(dir)}
	}
	for ; !filesystem.IsRoot(dir); dir = filesystem.Dir(dir) {
		job := filesystem.Dir(dir)
		if isStateDirectory(path.Base(dir)) && (s.jobs[job] || storage.ValidJobID(path.Base(job))) {
			if path.Base(dir) == storage.SharedName {
				return position{UnreferencedShared, job}
			}
			return position{UnreferencedTask, job}
		}
	}
	return position{}
}
