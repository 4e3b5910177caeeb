package storage

// JobStatus is a state in the life of a job. The names are Flink's.
type JobStatus string

// The states of a job.
const (
	Created    JobStatus = "CREATED"
	Running    JobStatus = "RUNNING"
	Restarting JobStatus = "RESTARTING"
	Failing    JobStatus = "FAILING"
	Cancelling JobStatus = "CANCELLING"
	Canceled   JobStatus = "CANCELED"
	Failed     JobStatus = "FAILED"
	Finished   JobStatus = "FINISHED"
	Suspended  JobStatus = "SUSPENDED"
)

// JobStatuses lists the states.
func JobStatuses() []JobStatus {
	return []JobStatus{Created, Running, Restarting, Failing, Cancelling, Canceled, Failed, Finished, Suspended}
}

// Terminal says whether a job never leaves this state.
func (s JobStatus) Terminal() bool {
	return s == Canceled || s == Failed || s == Finished || s == Suspended
}
