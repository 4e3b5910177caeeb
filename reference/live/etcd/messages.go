package etcd

// These are the messages of etcd's JSON interface that the store needs. Etcd's file
// api/etcdserverpb/rpc.proto defines them. Here they have the JSON form of protocol buffers: a
// 64-bit integer is a string, bytes are base64, and a field with the value zero is left out.

type keyValue struct {
	Key            []byte `json:"key"`
	Value          []byte `json:"value"`
	CreateRevision int64  `json:"create_revision,string"`
	ModRevision    int64  `json:"mod_revision,string"`
}

type rangeRequest struct {
	Key      []byte `json:"key"`
	RangeEnd []byte `json:"range_end,omitempty"`
	KeysOnly bool   `json:"keys_only,omitempty"`
}

type rangeResponse struct {
	KVs []keyValue `json:"kvs"`
}

type putRequest struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
	Lease int64  `json:"lease,string,omitempty"`
}

type deleteRequest struct {
	Key []byte `json:"key"`
}

// operation is one step of a transaction: exactly one field is set.
type operation struct {
	Range  *rangeRequest  `json:"request_range,omitempty"`
	Put    *putRequest    `json:"request_put,omitempty"`
	Delete *deleteRequest `json:"request_delete_range,omitempty"`
}

// comparison holds if a key has the given revision. A key that does not exist has revision 0.
type comparison struct {
	Target         string `json:"target"`
	Key            []byte `json:"key"`
	CreateRevision *int64 `json:"create_revision,string,omitempty"`
	ModRevision    *int64 `json:"mod_revision,string,omitempty"`
}

func created(key string, revision int64) comparison {
	return comparison{Target: "CREATE", Key: []byte(key), CreateRevision: &revision}
}

func modified(key string, revision int64) comparison {
	return comparison{Target: "MOD", Key: []byte(key), ModRevision: &revision}
}

// transaction carries out the operations in Success if all comparisons hold. Otherwise it carries
// out the operations in Failure.
type transaction struct {
	Compare []comparison `json:"compare"`
	Success []operation  `json:"success"`
	Failure []operation  `json:"failure,omitempty"`
}

type transactionResponse struct {
	Header struct {
		Revision int64 `json:"revision,string"`
	} `json:"header"`
	Succeeded bool `json:"succeeded"`
	Responses []struct {
		Range rangeResponse `json:"response_range"`
	} `json:"responses"`
}

// leaderCreated returns the revision at which the leader's key was created. It finds the revision
// in the response to a transaction whose comparisons did not hold. If the key does not exist, it
// returns 0.
func (t transactionResponse) leaderCreated() int64 {
	if len(t.Responses) == 0 || len(t.Responses[0].Range.KVs) == 0 {
		return 0
	}
	return t.Responses[0].Range.KVs[0].CreateRevision
}

// leaseMessage is the request or the response of each call about a lease.
type leaseMessage struct {
	ID      int64 `json:"ID,string,omitempty"`
	Seconds int64 `json:"TTL,string,omitempty"`
}
