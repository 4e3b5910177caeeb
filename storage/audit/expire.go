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

// ExpireSchema and ExpirePlanSchema name the formats of [Expiry] and of its plan.
const (
	ExpireSchema     = "snapback/expire/1"
	ExpirePlanSchema = "snapback/expire-plan/1"
	ExpiredSchema    = "snapback/expire-deleted/1"
)

// Policy says which checkpoints are let go.
type Policy struct {
	Keep      int           `json:"keep"`      // of each job the newest that can be restored from stay
	OlderThan time.Duration `json:"olderThan"` // nanoseconds; a younger one stays
}

// Expiry is what a policy lets go.
type Expiry struct {
	Schema  string    `json:"schema"`
	Root    string    `json:"root"`
	Now     time.Time `json:"now"`
	Policy  Policy    `json:"policy"`
	Kept    int       `json:"kept"`    // checkpoints that stay
	Expired []Expired `json:"expired"` // by job, the oldest first
	Bytes   int64     `json:"bytes"`   // that come free if all of them are deleted
	Doubts  []string  `json:"doubts"`  // why nothing may be deleted; empty if some may be
	Notes   []string  `json:"notes"`
	Roots   []string  `json:"roots"` // under which checkpoints were read

	denied      error
	also, moves []string
}

// Denied is an error if something could not be looked at for want of permission.
func (e Expiry) Denied() error { return e.denied }

// Expired is a checkpoint that is let go.
type Expired struct {
	Path     string    `json:"path"`
	Job      string    `json:"job,omitempty"`
	ID       int64     `json:"checkpointId"`
	Kind     string    `json:"kind"`
	Modified time.Time `json:"modified,omitzero"`
	Files    int       `json:"files"` // that nobody depends on who stays
	Bytes    int64     `json:"bytes"` // of these
}

// ExpireOptions say when it is, and where else somebody may depend on what is let go.
type ExpireOptions struct {
	Now    time.Time
	Policy Policy
	Also   []string // other roots
}

// Expire says which checkpoints and savepoints under a root a policy lets go. It goes by
// the same proof as [Auditor.Orphans], and changes nothing.
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

// expiry is a policy at work under a root.
type expiry struct {
	*claims
	root    string
	options ExpireOptions
	under   map[fileKey]bool     // metadata files under the root, by whatever name
	allowed map[string]*claimant // that the policy lets go, by URL; nil until somebody asks
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
		if !found.linked { // what a link leads to is elsewhere, with others beside it
			x.under[a.key(found.Metadata, found.entry)] = true
		}
	}
	x.claims, err = a.collect(ctx, roots[0], roots, Shallow, nil)
	return x, err
}

// below lists the checkpoints under the root: of those around it only the claims matter.
func (x *expiry) below() []*claimant {
	var below []*claimant
	for _, claim := range x.current {
		if x.under[claim.key.file] {
			below = append(below, claim)
		}
	}
	return below
}

// expired lists what the policy lets go, of each job the oldest first. With a doubt it is
// nothing.
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
		newer := 0 // that can be restored from
		for _, claim := range group {
			old := x.options.Now.Sub(claim.entry.Modified) >= x.options.Policy.OlderThan
			if newer >= x.options.Policy.Keep && old && !x.underway(claim) && !x.isLinkedTo(claim) {
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

// notes says what somebody should know before the policy is carried out.
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
			notes = append(notes, fmt.Sprintf("WARNING: nothing is left to restore from of %s", key))
		}
	}
	if mixed > 0 {
		notes = append(notes, fmt.Sprintf("%d checkpoints stay, for their job is not known: their directories are named neither chk-N nor savepoint-ID", mixed))
	}
	return notes
}

// groupOf says whose a checkpoint is. A directory with checkpoints that is neither named by a
// job's id nor has a job's directories for state may hold copies, of several jobs.
func (x *expiry) groupOf(claim *claimant) groupKey {
	key := groupOf(claim.Location)
	if key.job == "" && !key.mixed {
		key.mixed = !x.hasState(key.directory)
	}
	return key
}

// underway says that a checkpoint in progress builds upon one: it is the newest that was
// complete before.
func (x *expiry) underway(claim *claimant) bool {
	of := x.activityIn(filesystem.Dir(claim.Location))
	return slices.ContainsFunc(of.started, func(u *unfinished) bool {
		return x.options.Now.Sub(u.newest.Modified) < DefaultAge && claim.id < u.id && !slices.ContainsFunc(x.current, func(other *claimant) bool {
			return other.id > claim.id && other.id < u.id && filesystem.Dir(other.Location) == filesystem.Dir(claim.Location)
		})
	})
}

// isLinkedTo says that the metadata of another checkpoint is a link to that of one.
func (x *expiry) isLinkedTo(claim *claimant) bool {
	return slices.ContainsFunc(x.users[claim.key.file], func(user *claimant) bool { return x.present[user] })
}

// freed lists the files that only checkpoints which are let go depend on: of those the last
// one, in their order, is said to free them.
func (x *expiry) freed(claim *claimant, order map[*claimant]int) []claimed {
	var freed []claimed
	for _, f := range claim.files {
		last := order[claim]
		stays := false
		// One of the same name may be the same file on another mount, or by another address.
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

// orderOf numbers the checkpoints that are let go, from 1 on.
func orderOf(expired []*claimant) map[*claimant]int {
	order := make(map[*claimant]int, len(expired))
	for i, claim := range expired {
		order[claim] = i + 1
	}
	return order
}

// isOurs says whether a file lies where it may be deleted: below a directory that was
// looked into, by whatever name.
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

// WritePlan writes a plan to delete what is let go.
func (e Expiry) WritePlan(to io.Writer) error {
	return writePlan(to, planHead{Schema: ExpirePlanSchema, Root: e.Root, Made: e.Now, Policy: &e.Policy, Also: e.also, Rebase: e.moves}, e.Expired)
}

// ReadExpirePlan reads a plan for a root, and the policy that it was made by.
func ReadExpirePlan(from io.Reader, root string) (Plan[Expired], error) {
	plan, err := readPlan(from, ExpirePlanSchema, root, "a checkpoint", func(e Expired) string { return e.Path })
	if p := plan.Policy; err == nil && (p.Keep < 0 || p.OlderThan < 0 || p.Keep == 0 && p.OlderThan == 0) {
		err = fmt.Errorf("plan: want a policy in its first line that keeps something, got keep %d, olderThan %d", p.Keep, p.OlderThan)
	}
	return plan, err
}

// Expirations is what became of a plan to let checkpoints go.
type Expirations struct {
	Schema  string    `json:"schema"`
	Deleted []Expired `json:"deleted"`
	Gone    int       `json:"gone"` // planned, and deleted by somebody else since
	Kept    []Kept    `json:"kept"`
	Files   int       `json:"files"` // deleted, metadata files included
	Bytes   int64     `json:"bytes"` // of these

	denied error
}

// Denied is an error if something could not be looked at for want of permission.
func (e Expirations) Denied() error { return e.denied }

// expireBatch is how many checkpoints are deleted between two looks at who depends on what.
const expireBatch = 16

// DeleteExpired deletes the checkpoints that were planned, as far as the policy still lets
// them go, by what is there now. It looks again now and then. The metadata goes first, so
// that no checkpoint is found whose files are gone; a file that another checkpoint depends
// on stays.
func (a *Auditor) DeleteExpired(ctx context.Context, root string, options ExpireOptions, planned []Expired) (Expirations, error) {
	done := Expirations{Schema: ExpiredSchema, Deleted: []Expired{}, Kept: []Kept{}}
	x, err := a.expiry(ctx, root, options)
	if err == nil {
		err = a.Unmatched() // before anything is deleted
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

// planned finds a planned checkpoint among those that are let go now, or says why it is
// not among them.
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
		return nil, "the policy no longer lets it go: too few newer ones can be restored from, a checkpoint that builds upon it is in progress, or it is no checkpoint under the root"
	case !claim.entry.Modified.Equal(plan.Modified) || claim.id != plan.ID:
		return nil, "it has changed since the plan was made"
	}
	return claim, ""
}

// discard deletes a checkpoint: what it has alone, its seal, and its directory if nothing
// is left in it.
func (x *expiry) discard(claim *claimant) (deleted []claimed, err error) {
	freed := x.freed(claim, orderOf([]*claimant{claim}))
	metadata, files := freed[len(freed)-1], freed[:len(freed)-1]
	if err := filesystem.IgnoreNotExist(x.Files.Remove(metadata.name)); err != nil {
		return nil, err
	}
	// A crash here leaves files that are nobody's: orphans finds them.
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
	_ = x.Files.Remove(sealName(claim.Location)) // most have none
	_ = x.Files.Remove(claim.Location)           // fails if something is left in it
	return deleted, err
}
