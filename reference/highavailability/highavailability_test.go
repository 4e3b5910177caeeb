package highavailability_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/highavailability"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/simulation"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// asLeader runs a test as a JobManager that leads for an hour.
func asLeader(t *testing.T, files *filesystem.Memory, body func(*simulation.World, highavailability.Leadership)) {
	t.Helper()
	world := simulation.New(1, files, nil)
	world.AddStore(0)
	world.Start("jobmanager", func(env environment.Environment) {
		term, err := env.Store().Campaign("jobmanager", time.Hour)
		must(t, err)
		body(world, highavailability.Leadership{Env: env, Term: term})
	})
	for world.Step() {
		continue
	}
}

// FLINK-22494: an id is never used twice, whichever answers of the store are lost.
func TestIDsAreNeverUsedTwice(t *testing.T) {
	asLeader(t, filesystem.NewMemory(), func(world *simulation.World, l highavailability.Leadership) {
		checkpoints := highavailability.Checkpoints{Leadership: l, JobID: "job"}
		last := int64(0)
		for i := range 100 {
			world.LoseAnswers(i % 4)
			id, err := checkpoints.NextID()
			must(t, err)
			if id <= last {
				t.Fatalf("want more than %d, got %d", last, id)
			}
			last = id
		}
	})
}

func TestWhoLeadsNoLongerIsToldSo(t *testing.T) {
	asLeader(t, filesystem.NewMemory(), func(_ *simulation.World, l highavailability.Leadership) {
		l.Env.Sleep(2 * time.Hour)
		checkpoints := highavailability.Checkpoints{Leadership: l, JobID: "job"}
		if _, err := checkpoints.NextID(); !errors.Is(err, environment.ErrDeposed) {
			t.Errorf("got %v", err)
		}
		if err := checkpoints.Leads(); !errors.Is(err, environment.ErrDeposed) {
			t.Errorf("got %v", err)
		}
	})
}

// If an answer was lost, a later ErrDeposed does not prove that nothing was written.
func TestALostAnswerIsNotForgotten(t *testing.T) {
	asLeader(t, filesystem.NewMemory(), func(world *simulation.World, l highavailability.Leadership) {
		world.LoseAnswers(1000)
		l.Term++ // no leader ever had this term
		err := highavailability.Checkpoints{Leadership: l, JobID: "job"}.Start(7)
		var unknown *highavailability.UnknownError
		if !errors.As(err, &unknown) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheNextLeaderFindsJobsCheckpointsAndWhatIsToBeDeleted(t *testing.T) {
	files := filesystem.NewMemory()
	asLeader(t, files, func(_ *simulation.World, l highavailability.Leadership) {
		encoded, err := metadata.Encode(metadata.Checkpoint{Version: metadata.Version, ID: 3})
		must(t, err)
		for _, dir := range []string{"/c/chk-2", "/c/chk-3", "/c/shared"} {
			must(t, files.MkdirAll(dir))
		}
		must(t, filesystem.WriteFile(files, "/c/chk-3/_metadata", encoded))
		must(t, filesystem.WriteFile(files, "/c/shared/old", []byte("x")))
		checkpoints := highavailability.Checkpoints{Leadership: l, JobID: "a"}
		must(t, l.AddJob(job.Job{ID: "a"}))
		must(t, checkpoints.Keep([]storage.Completed{{Location: "/c/chk-3", Checkpoint: metadata.Checkpoint{ID: 3}}}, []string{"/c/chk-2/_metadata", "/c/shared/old", "/c/chk-2"}))

		kept, found, err := checkpoints.Kept(files)
		must(t, err)
		if !found || len(kept) != 1 || kept[0].Checkpoint.ID != 3 {
			t.Errorf("got %v, %v", kept, found)
		}
		for _, gone := range []string{"/c/chk-2", "/c/shared/old"} {
			if _, err := files.Stat(gone); err == nil {
				t.Errorf("%s is still there", gone)
			}
		}
		must(t, files.Remove("/c/chk-3/_metadata"))
		if _, _, err := checkpoints.Kept(files); err == nil { // FLINK-22502
			t.Error("a checkpoint that cannot be read was passed over")
		}
		must(t, l.SetResult("a", highavailability.Result{Status: storage.Finished, Cleaned: true}))
		must(t, l.RemoveJob("a"))
		known, err := l.Jobs()
		must(t, err)
		if got := fmt.Sprintf("%d %v %v", len(known), known[0].Job, *known[0].Result); got != "1 <nil> {FINISHED  true}" {
			t.Errorf("got %s", got)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
