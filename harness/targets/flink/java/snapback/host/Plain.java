package snapback.host;

import java.net.URI;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.FileSystemFactory;
import org.apache.flink.core.fs.local.LocalFileSystem;
import org.apache.flink.core.fs.local.LocalRecoverableWriter;

/**
 * The local file system under the scheme {@code plain}, without a recoverable writer. So Flink
 * writes {@code _metadata} in the same way as on every file system without a recoverable writer.
 */
public final class Plain implements FileSystemFactory {
    @Override
    public String getScheme() {
        return "plain";
    }

    @Override
    public FileSystem create(URI uri) {
        return new LocalFileSystem() {
            @Override
            public URI getUri() {
                return URI.create("plain:///");
            }

            @Override
            public LocalRecoverableWriter createRecoverableWriter() {
                throw new UnsupportedOperationException("plain files only");
            }
        };
    }
}
