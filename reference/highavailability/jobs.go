package highavailability

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/storage"
)

// Result is how a job ended.
type Result struct {
	Status  storage.JobStatus
	Error   string
	Cleaned bool // whether the clean-up after the job is done
}

// Known is what earlier leaders recorded about a job.
type Known struct {
	ID     string
	Job    *job.Job // nil if the clean-up is done
	Result *Result  // nil if the job has not ended
}

// AddJob records an accepted job.
func (l Leadership) AddJob(j job.Job) error {
	data, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return l.update(key(j.ID, jobName), func([]byte) []byte { return data })
}

// RemoveJob deletes everything about a job except its result.
func (l Leadership) RemoveJob(id string) error {
	for _, name := range []string{checkpointName, counterName, jobName} {
		if err := l.remove(key(id, name)); err != nil {
			return err
		}
	}
	return nil
}

// SetResult records how a job ended. From then on no leader runs the job again. Leaders clean up
// after the job until its result says Cleaned.
func (l Leadership) SetResult(id string, result Result) error {
	data, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return l.update(key(id, resultName), func([]byte) []byte { return data })
}

// Jobs lists the jobs of earlier leaders.
func (l Leadership) Jobs() ([]Known, error) {
	keys, err := l.Env.Store().List(jobsPrefix)
	if err != nil {
		return nil, err
	}
	var known []Known
	for _, name := range keys {
		id, what, _ := strings.Cut(strings.TrimPrefix(name, jobsPrefix), "/")
		if what != jobName && what != resultName {
			continue
		}
		if len(known) == 0 || known[len(known)-1].ID != id {
			known = append(known, Known{ID: id})
		}
		data, _, err := l.Env.Store().Get(name)
		if err != nil {
			return nil, err
		}
		last := &known[len(known)-1]
		if what == jobName {
			err = json.Unmarshal(data, &last.Job)
		} else {
			err = json.Unmarshal(data, &last.Result)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return known, nil
}
