package fields

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// Bench runs the scenarios of rows on one target. It runs a scenario that several rows have only
// once. Several goroutines may use a bench.
type Bench struct {
	Target target.Target
	Dir    string // directory for the files of clusters; empty: the clusters get no directory

	// Lender lends clusters to runs, if it is not nil. Otherwise each run starts its own cluster.
	Lender *Lender

	mu   sync.Mutex
	runs map[string]func() (Run, error) // by the text of the scenario
}

// Run is what can be looked at after a run.
type Run struct {
	*history.History
	Files      filesystem.FileSystem // the cluster's storage
	Root, Work string                // directories on it: for checkpoints, and for jobs
	Dir        string                // the directory of the cluster
	Configured map[string]string     // Flink's own answers about the checkpoints of each job, by the scenario's name for the job
	Log        string                // what the engine logged; empty if the cluster keeps no log
}

// Check runs the scenario of a row, and its base. It returns why the target does not offer what the
// row sets, or an error if the run does not show that the field took effect.
func (b *Bench) Check(ctx context.Context, row Row) (refused string, err error) {
	s, err := row.parse(true)
	if err != nil {
		return "", err
	}
	if unclaimed := target.Unclaimed(b.Target, s); len(unclaimed) > 0 {
		return fmt.Sprintf("the target does not claim %s", unclaimed[0]), nil
	}
	if unhonoured := target.Unhonoured(b.Target, s); len(unhonoured) > 0 {
		return unhonoured[0], nil
	}
	if under := b.Target.Describe(); row.Only != "" && row.Only != under.Name {
		return fmt.Sprintf("only a run of %s shows it", row.Only), nil
	}
	with, err := b.run(ctx, s)
	if err != nil {
		return "", fmt.Errorf("with the field: %w", err)
	}
	if !row.Seen(with) {
		return "", fmt.Errorf("%s has no effect: want that %s", row.Field, row.Shows)
	}
	base, err := row.parse(false)
	if err != nil {
		return "", err
	}
	without, err := b.run(ctx, base)
	if err != nil {
		return "", fmt.Errorf("without the field: %w", err)
	}
	if row.Seen(without) {
		return "", fmt.Errorf("the row of %s proves nothing: also without the field %s", row.Field, row.Shows)
	}
	return "", nil
}

// parse returns the row's scenario, with the field or without it. It needs only the features that
// its steps need.
func (r Row) parse(with bool) (scenarios.Scenario, error) {
	text := r.Base
	if !strings.Contains(text, r.Old) {
		return scenarios.Scenario{}, fmt.Errorf("the row of %s: its base does not contain %q", r.Field, r.Old)
	}
	if with {
		text = strings.ReplaceAll(text, r.Old, r.New)
	}
	all, err := scenarios.Parse("the row of "+r.Field, []byte(head+text))
	if err != nil {
		return scenarios.Scenario{}, err
	}
	s := all[0]
	s.Features = s.Needed()
	return s, nil
}

// run returns the run of a scenario. It runs the scenario, unless it ran before.
func (b *Bench) run(ctx context.Context, s scenarios.Scenario) (Run, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return Run{}, err
	}
	b.mu.Lock()
	ran, ok := b.runs[string(text)]
	if !ok {
		if b.runs == nil {
			b.runs = map[string]func() (Run, error){}
		}
		dir := ""
		if b.Dir != "" {
			dir = filepath.Join(b.Dir, fmt.Sprintf("run-%d", len(b.runs)+1))
		}
		ran = sync.OnceValues(func() (Run, error) { return b.begin(ctx, s, dir) })
		b.runs[string(text)] = ran
	}
	b.mu.Unlock()
	return ran()
}

// begin runs a scenario on a cluster of its own.
func (b *Bench) begin(ctx context.Context, s scenarios.Scenario, dir string) (Run, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return Run{}, err
		}
	}
	if b.Lender != nil {
		return b.Lender.begin(ctx, b.Target, s, dir)
	}
	setup := run.Setup{Target: b.Target, Seed: 1, Try: 1, Dir: dir, History: io.Discard, Progress: func(string) {}}
	session, err := setup.Begin(ctx, s)
	if err != nil {
		return Run{}, err
	}
	seen, err := look(ctx, session, 0)
	seen.Dir = dir
	if err = errors.Join(err, session.Close()); err != nil {
		return Run{}, fmt.Errorf("%w; see the logs in %s", err, dir)
	}
	return seen, nil
}

// look takes the steps of a session, and gathers what the run shows. It skips the first bytes of the
// log, as many as the parameter logged says.
func look(ctx context.Context, session *run.Session, logged int) (Run, error) {
	if err := session.TakeAll(ctx, 0); err != nil {
		return Run{}, err
	}
	if err := session.Collect(); err != nil {
		return Run{}, err
	}
	c := session.Cluster()
	seen := Run{
		History: session.History(), Files: c.Files(), Root: c.Root(), Work: c.Work(), Configured: map[string]string{},
	}
	log, err := logOf(c)
	if err != nil {
		return Run{}, err
	}
	seen.Log = log[logged:]
	flink, ok := c.(interface{ URL() string })
	if !ok {
		return seen, nil
	}
	for _, job := range seen.Jobs() {
		var err error
		if seen.Configured[job.Name], err = get(ctx, flink.URL()+"/jobs/"+job.ID+"/checkpoints/config"); err != nil {
			return Run{}, err
		}
	}
	return seen, nil
}

// logOf returns what a cluster has logged for people. The text is empty if the cluster keeps no log.
func logOf(c target.Cluster) (string, error) {
	logged, ok := c.(target.Logged)
	if !ok || logged.Log() == "" {
		return "", nil
	}
	log, err := os.ReadFile(logged.Log())
	return string(log), err
}

// get asks Flink's REST API. It returns the empty text if the cluster does not know what was asked
// for, as after a loss of the JobManager.
func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil || response.StatusCode == http.StatusNotFound {
		return "", err
	}
	return string(text), nil
}
