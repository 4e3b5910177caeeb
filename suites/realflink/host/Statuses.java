package snapback.host;

import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.core.execution.JobExecutionStatusEvent;
import org.apache.flink.core.execution.JobStatusChangedListener;
import org.apache.flink.core.execution.JobStatusChangedListenerFactory;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Notes the last status of each job. When the cluster closes, no client can see the status SUSPENDED. */
public class Statuses implements JobStatusChangedListenerFactory, JobStatusChangedListener {
    static final Map<JobID, JobStatus> LAST = new ConcurrentHashMap<>();

    @Override
    public JobStatusChangedListener createListener(Context c) {
        return this;
    }

    @Override
    public void onEvent(org.apache.flink.core.execution.JobStatusChangedEvent e) {
        if (e instanceof JobExecutionStatusEvent s) {
            LAST.put(e.jobId(), s.newStatus());
        }
    }
}
