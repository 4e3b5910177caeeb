package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/storage/filesystem"
)

// Names of the formats of [Expiry], of a plan to discard expired checkpoints, and of [Expirations].
const (
	ExpireSchema     = "snapback/expire/1"
	ExpirePlanSchema = "snapback/expire-plan/1"
	ExpiredSchema    = "snapback/expire-deleted/1"
)

// Policy says which checkpoints expire.
type Policy struct {
	Keep      int           `json:"keep"`      // for each job, the number of its newest restorable checkpoints that do not expire
	OlderThan time.Duration `json:"olderThan"` // in nanoseconds; a checkpoint that is younger than this does not expire
}

// Expiry lists the checkpoints that expire under a policy.
type Expiry struct {
	Schema  string    `json:"schema"`
	Root    string    `json:"root"`
	Now     time.Time `json:"now"`
	Policy  Policy    `json:"policy"`
	Kept    int       `json:"kept"`    // number of checkpoints that do not expire
	Expired []Expired `json:"expired"` // sorted by job, and then from the oldest to the newest
	Bytes   int64     `json:"bytes"`   // total size of the files that will be deleted with the expired checkpoints
	Doubts  []string  `json:"doubts"`  // reasons why nothing may be deleted; if there is one, Expired is empty
	Notes   []string  `json:"notes"`
	Roots   []string  `json:"roots"` // directories in which checkpoints were read

	denied      error
	also, moves []string
}

// Denied returns an error if the user had no permission to read some file or directory.
func (e Expiry) Denied() error { return e.denied }

// Expired is a checkpoint that expires.
type Expired struct {
	Path     string    `json:"path"`
	Job      string    `json:"job,omitempty"`
	ID       int64     `json:"checkpointId"`
	Kind     string    `json:"kind"`
	Modified time.Time `json:"modified,omitzero"`
	Files    int       `json:"files"` // number of files that will be deleted with the checkpoint, because no other checkpoint will need them
	Bytes    int64     `json:"bytes"` // total size of these files, in bytes
}

// ExpireOptions are the options of [Auditor.Expire].
type ExpireOptions struct {
	Now    time.Time
	Policy Policy
	Also   []string // other roots whose checkpoints may depend on files of expired checkpoints
}

// Expire lists the checkpoints and savepoints below a root that expire under a policy. It needs the
// same proof as [Auditor.Orphans]: it must know which files each checkpoint needs. Expire changes
// nothing on storage.
func (a *Auditor) Expire(ctx context.Context, root string, options ExpireOptions) (Expiry, error) {
	x, err := a.expiry(ctx, root, options)
	if err != nil {
		return Expiry{}, err
	}
	e := Expiry{
		Schema: ExpireSchema, Root: filesystem.URL(x.root), Now: options.Now, Policy: options.Policy, Expired: []Expired{},
		Doubts: append([]string{}, x.doubts...), Notes: []string{}, denied: x.denied(), Roots: x.rootURLs(),
	}
	e.also, e.moves = x.urls(options.Also)
	expired := x.expired()
	e.Notes = append(e.Notes, x.notes(expired)...)
	e.Kept = len(x.below()) - len(expired)
	order := orderOf(expired)
	for _, claim := range expired {
		one := Expired{Path: filesystem.URL(claim.Location), Job: groupOf(claim.Location).job, ID: claim.id, Kind: claim.kind, Modified: claim.entry.Modified}
		for _, f := range x.freed(claim, order) {
			one.Files++
			one.Bytes += f.size
		}
		e.Bytes += one.Bytes
		e.Expired = append(e.Expired, one)
	}
	return e, nil
}

// expiry applies a policy to the checkpoints below a root.
type expiry struct {
	*claims
	root    string
	options ExpireOptions
	under   map[fileKey]bool     // keys of the metadata files below the root
	allowed map[string]*claimant // checkpoints that expire; the key is the checkpoint's URL; nil until first used
}

func (a *Auditor) expiry(ctx context.Context, root string, options ExpireOptions) (*expiry, error) {
	roots, err := a.rootsOf(append([]string{root}, options.Also...))
	if err != nil {
		return nil, err
	}
	under, err := a.survey(ctx, roots[:1], false)
	if err != nil {
		return nil, err
	}
	x := &expiry{root: roots[0], options: options, under: map[fileKey]bool{}}
	for _, found := range under.checkpoints {
		if !found.linked { // a checkpoint behind a link belongs to another root, where other checkpoints may depend on it
			x.under[a.key(found.Metadata, found.entry)] = true
		}
	}
	x.claims, err = a.collect(ctx, roots[0], roots, Shallow, nil)
	return x, err
}

// below lists the checkpoints below the root. The claims also contain checkpoints of other jobs,
// which are not below the root.
func (x *expiry) below() []*claimant {
	var below []*claimant
	for _, claim := range x.current {
		if x.under[claim.key.file] {
			below = append(below, claim)
		}
	}
	return below
}

// expired lists the checkpoints that expire, sorted by job and then from the oldest to the newest.
// The list is empty if there is a doubt.
func (x *expiry) expired() []*claimant {
	if len(x.doubts) > 0 {
		return nil
	}
	groups := map[groupKey][]*claimant{}
	for _, claim := range x.below() {
		if key := x.groupOf(claim); !key.mixed {
			groups[key] = append(groups[key], claim)
		}
	}
	var expired []*claimant
	for _, group := range groups {
		slices.SortFunc(group, func(a, b *claimant) int {
			return cmp.Or(cmp.Compare(b.id, a.id), strings.Compare(a.Location, b.Location))
		})
		newer := 0 // number of newer restorable checkpoints of the same job
		for _, claim := range group {
			old := x.options.Now.Sub(claim.entry.Modified) >= x.options.Policy.OlderThan
			if newer >= x.options.Policy.Keep && old && !x.isBuiltUpon(claim) && !x.isLinkedTo(claim) {
				expired = append(expired, claim)
			}
			if claim.restorable {
				newer++
			}
		}
	}
	slices.SortFunc(expired, func(a, b *claimant) int {
		return cmp.Or(strings.Compare(filesystem.Dir(a.Location), filesystem.Dir(b.Location)), cmp.Compare(a.id, b.id), strings.Compare(a.Location, b.Location))
	})
	return expired
}

// notes returns warnings for the user who is going to use the policy.
func (x *expiry) notes(expired []*claimant) (notes []string) {
	left, mixed := map[groupKey]int{}, 0
	for _, claim := range x.below() {
		key := x.groupOf(claim)
		if key.mixed {
			mixed++
		} else if claim.restorable && !slices.Contains(expired, claim) {
			left[key]++
		}
	}
	for _, claim := range expired {
		if key := x.groupOf(claim); left[key] == 0 {
			left[key] = -1
			notes = append(notes, fmt.Sprintf("WARNING: no checkpoint is left to restore %s from", key))
		}
	}
	if mixed > 0 {
		notes = append(notes, fmt.Sprintf("%d checkpoints stay, because it is unknown to which jobs they belong", mixed))
	}
	return notes
}

// groupOf says to which group a checkpoint belongs. A group contains the checkpoints of one job in
// one directory; see [Group]. The group is mixed if its checkpoints may be copies from several
// jobs: the directory's name is not a job id, and the directory contains no directories for state.
func (x *expiry) groupOf(claim *claimant) groupKey {
	key := groupOf(claim.Location)
	if key.job == "" && !key.mixed {
		key.mixed = !x.hasState(key.directory)
	}
	return key
}

// isBuiltUpon says whether a checkpoint in progress may use files of the given checkpoint. This is
// the case if the job has no completed checkpoint whose id lies between the ids of these two
// checkpoints.
func (x *expiry) isBuiltUpon(claim *claimant) bool {
	of := x.activityIn(filesystem.Dir(claim.Location))
	return slices.ContainsFunc(of.started, func(u *unfinished) bool {
		return x.options.Now.Sub(u.newest.Modified) < DefaultAge && claim.id < u.id && !slices.ContainsFunc(x.current, func(other *claimant) bool {
			return other.id > claim.id && other.id < u.id && filesystem.Dir(other.Location) == filesystem.Dir(claim.Location)
		})
	})
}

// isLinkedTo says whether another checkpoint's metadata file is a link to the metadata file of the
// given checkpoint.
func (x *expiry) isLinkedTo(claim *claimant) bool {
	return slices.ContainsFunc(x.users[claim.key.file], func(user *claimant) bool { return x.present[user] })
}

// freed lists the files that are deleted together with a checkpoint. A file is not freed if a
// checkpoint that does not expire needs the file. If several expired checkpoints need a file, the
// file is freed with the checkpoint that has the highest number in the map "order". The metadata
// file is the last element of the list.
func (x *expiry) freed(claim *claimant, order map[*claimant]int) []claimed {
	var freed []claimed
	for _, f := range claim.files {
		last := order[claim]
		stays := false
		// Files with the same name may be the same file, seen through another mount or another
		// address.
		for _, user := range append(slices.Clone(x.users[f.key]), x.named[path.Base(f.name)]...) {
			stays = stays || x.present[user] && order[user] == 0
			last = max(last, order[user])
		}
		if !stays && last == order[claim] && x.isOurs(f) {
			freed = append(freed, f)
		}
	}
	return append(freed, claimed{name: claim.Metadata, key: claim.key.file, size: claim.entry.Size})
}

// orderOf numbers the expired checkpoints, beginning with 1. The map returns 0 for any other
// checkpoint.
func orderOf(expired []*claimant) map[*claimant]int {
	order := make(map[*claimant]int, len(expired))
	for i, claim := range expired {
		order[claim] = i + 1
	}
	return order
}

// isOurs says whether a file may be deleted. This is the case if the survey has visited a directory
// that contains the file, and has not reached the directory through a link.
func (x *expiry) isOurs(f claimed) bool {
	for dir := filesystem.Dir(f.name); ; dir = filesystem.Dir(dir) {
		entry, err := x.Files.Stat(dir)
		if visited, is := x.survey.visited[x.key(dir, entry)]; err == nil && is {
			return !visited.linked
		}
		if filesystem.IsRoot(dir) {
			return false
		}
	}
}

// WritePlan writes a plan to discard the expired checkpoints.
func (e Expiry) WritePlan(to io.Writer) error {
	return writePlan(to, planHead{Schema: ExpirePlanSchema, Root: e.Root, Made: e.Now, Policy: &e.Policy, Also: e.also, Rebase: e.moves}, e.Expired)
}

// ReadExpirePlan reads a plan with its policy. It fails if the plan is for another root, or if the
// policy would not keep any checkpoint.
func ReadExpirePlan(from io.Reader, root string) (Plan[Expired], error) {
	plan, err := readPlan(from, ExpirePlanSchema, root, "a checkpoint", func(e Expired) string { return e.Path })
	if p := plan.Policy; err == nil && (p.Keep < 0 || p.OlderThan < 0 || p.Keep == 0 && p.OlderThan == 0) {
		err = fmt.Errorf("plan: want a policy in its first line that keeps something, got keep %d, olderThan %d", p.Keep, p.OlderThan)
	}
	return plan, err
}

// Expirations says what was done with the checkpoints of a plan.
type Expirations struct {
	Schema  string    `json:"schema"`
	Deleted []Expired `json:"deleted"`
	Gone    int       `json:"gone"` // number of planned checkpoints that did not exist any more
	Kept    []Kept    `json:"kept"`
	Files   int       `json:"files"` // number of deleted files, including metadata files
	Bytes   int64     `json:"bytes"` // total size of the deleted files, in bytes

	denied error
}

// Denied returns an error if the user had no permission to read some file or directory.
func (e Expirations) Denied() error { return e.denied }

// expireBatch is the number of checkpoints that are discarded before the claims are refreshed.
const expireBatch = 16

// DeleteExpired discards those planned checkpoints that still expire under the policy. It refreshes
// the claims after each batch of checkpoints. It deletes a checkpoint's metadata first, so that no
// reader finds a checkpoint with missing files. It keeps the files that another checkpoint needs.
func (a *Auditor) DeleteExpired(ctx context.Context, root string, options ExpireOptions, planned []Expired) (Expirations, error) {
	done := Expirations{Schema: ExpiredSchema, Deleted: []Expired{}, Kept: []Kept{}}
	x, err := a.expiry(ctx, root, options)
	if err == nil {
		err = a.Unmatched() // this check must come before any file is deleted
	}
	if err != nil {
		return done, err
	}
	done.denied = x.denied()
	for i, plan := range planned {
		if err := ctx.Err(); err != nil {
			return done, context.Cause(ctx)
		}
		if i > 0 && i%expireBatch == 0 {
			if err := x.refresh(ctx); err != nil {
				return done, err
			}
			x.allowed = nil
		}
		if a.isGone(plan.Path) {
			done.Gone++
			continue
		}
		claim, why := x.planned(plan)
		if why != "" {
			done.Kept = append(done.Kept, Kept{plan.Path, why})
			continue
		}
		files, err := x.discard(claim)
		delete(x.present, claim)
		for _, f := range files {
			done.Files++
			done.Bytes += f.size
		}
		if err != nil {
			done.Kept = append(done.Kept, Kept{plan.Path, reason(err)})
			continue
		}
		done.Deleted = append(done.Deleted, plan)
		a.progress("checkpoints deleted", int64(i+1), int64(len(planned)))
	}
	return done, nil
}

// planned returns the checkpoint that a line of the plan names, if it still expires. If it must
// stay, planned returns nil and the reason.
func (x *expiry) planned(plan Expired) (*claimant, string) {
	if len(x.doubts) > 0 {
		return nil, x.doubts[0]
	}
	if x.allowed == nil {
		x.allowed = map[string]*claimant{}
		for _, claim := range x.expired() {
			x.allowed[filesystem.URL(claim.Location)] = claim
		}
	}
	claim := x.allowed[plan.Path]
	switch {
	case claim == nil:
		return nil, "it no longer expires: too few newer checkpoints can be restored, a checkpoint in progress builds on it, or it is not a checkpoint under the root"
	case !claim.entry.Modified.Equal(plan.Modified) || claim.id != plan.ID:
		return nil, "it has changed since the plan was made"
	}
	return claim, ""
}

// discard discards a checkpoint. It first deletes the metadata, then the files that no other
// checkpoint needs, and then the seal. At the end it deletes the directory if the directory is
// empty.
func (x *expiry) discard(claim *claimant) (deleted []claimed, err error) {
	freed := x.freed(claim, orderOf([]*claimant{claim}))
	metadata, files := freed[len(freed)-1], freed[:len(freed)-1]
	if err := filesystem.IgnoreNotExist(x.Files.Remove(metadata.name)); err != nil {
		return nil, err
	}
	// A crash here leaves files that no checkpoint needs. The method Orphans finds these files.
	if err := filesystem.IgnoreNotExist(x.Files.SyncDir(claim.Location)); err != nil {
		return nil, err
	}
	deleted = append(deleted, metadata)
	for _, f := range files {
		switch removed := x.Files.Remove(f.name); {
		case removed == nil:
			deleted = append(deleted, f)
		case !errors.Is(removed, fs.ErrNotExist):
			err = errors.Join(err, removed)
		}
	}
	_ = x.Files.Remove(sealName(claim.Location)) // this fails for most checkpoints, because they have no seal
	_ = x.Files.Remove(claim.Location)           // this fails if the directory is not empty
	return deleted, err
}
