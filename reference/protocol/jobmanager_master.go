package protocol

import (
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/storage"
)

// Messages of the master of a job to the JobManager.
type (
	// RequestSlots asks for a total number of slots. It replaces an earlier request. The JobManager
	// answers with the missing slots as soon as it has all missing slots.
	RequestSlots struct{ Slots int }

	// ReleaseSlots releases all slots of a job.
	ReleaseSlots struct{}

	// JobRefused says that the master refused its job.
	JobRefused struct{ Job string }

	// JobStatus reports the status of a job.
	JobStatus struct {
		Job    string
		Status storage.JobStatus
		Error  string
		Kept   []string // locations of the checkpoints that stay, if the job has ended
	}
)

// Messages of the JobManager to the master of a job.
type (
	// Slots gives slots to a job. It lists the TaskManager of each slot.
	Slots struct{ TaskManagers []environment.Address }

	// TaskManagerLost says that the job's slots on a TaskManager are gone.
	TaskManagerLost struct{ TaskManager environment.Address }

	// Forwarded is a client's request to the master of a job.
	Forwarded struct {
		Client  environment.Address
		Request environment.Message
	}

	// JobEnded is the answer to a JobStatus with a terminal status. No request for the job follows.
	JobEnded struct{}
)

// Deposed says that another JobManager may lead. The first master that learns this sends Deposed to
// the JobManager, and the JobManager sends Deposed to all masters. A master that receives it stops,
// and deletes only the checkpoints in progress, which no other JobManager knows.
type Deposed struct{}
