"""Every error that Perennial raises, in one tree.

    PerennialError
    ├── PermanentError                wrong until someone changes something: retrying can't help
    │   ├── InvalidSpec               a use case's files are wrong
    │   ├── InvalidSettings           the environment is wrong
    │   ├── InvalidWindow             not a window of this use case
    │   ├── UnknownUseCase
    │   ├── SourceRejected            the source answered, with something that is not allowed in
    │   │   ├── EmptyWindow
    │   │   ├── NotReady          what says that the window is complete does not say so yet
    │   │   ├── SchemaMismatch
    │   │   ├── UndecodableText
    │   │   └── TooMuchData
    │   ├── InvalidQuery              the source refused the query
    │   ├── NotIngested               no snapshot of that window
    │   ├── NotValidated              no verdict for that snapshot
    │   ├── ChecksDisagree            the same checks set other rows aside than before
    │   ├── ValidationFailed          the verdict is `fail`: nothing is scored
    │   ├── UseCaseEnded              the use case was decommissioned: nothing new is made of it
    │   ├── NoModel                   no deployment holds the role at that time
    │   ├── VersionArchived           the version is in the archive: it must be restored first
    │   ├── FeaturesChanged           the window's rows lack what the model was trained on
    │   ├── ChallengerFailed          a challenger in roll-out could not predict its rows
    │   ├── PredictionsNotFinite      some predictions are infinite or NaN: nothing is published
    │   ├── NotScored                 no batch for that window
    │   │   └── EntityErased          the entity was erased
    │   ├── NotMonitored              no drift report on that window
    │   ├── RowsRemoved               retention has taken the rows
    │   │   ├── RowsExpired       they went by age, as the use case's retention says
    │   │   ├── RowsErased        rows about an entity were erased from what was committed
    │   │   └── RowsLost          the lake lacks what the ledger names: it is older than the ledger
    │   ├── NotReconciled             stores differ from the ledger in what only a person can put right
    │   ├── NotEnoughData             too few rows or labels for the claim
    │   ├── TrainingSetRefused        a check says that nothing should be trained on it
    │   ├── AlwaysHolds               the rule is not one that a person may set aside
    │   ├── AlreadyAccepted           somebody let these rows in before
    │   ├── SnapshotChanged           the window has other rows than those that were looked at
    │   ├── UntrustedModel            bytes or types that we did not sign for
    │   ├── LibrariesChanged          the model does not predict the same with today's libraries
    │   │   └── NothingKept           there are no rows by which it could be seen whether it does
    │   ├── NotDeployable             the model failed its trial: nothing is deployed
    │   ├── NotExportable             the model has no form in that format
    │   ├── LedgerAltered             the ledger's chain does not prove what it should
    │   ├── InvalidAnchor             not an anchor of a ledger's chains
    │   ├── AlertChanged              the alert is about more, or other things, than was looked at
    │   ├── NotAsked                  an answer to what nobody was asked, or that is no outcome
    │   ├── DeliveryRefused           the receiver of an alert answered that it does not take it
    │   ├── NotApproved               people must agree to the deployment, and have not
    │   ├── MayNotAnswer              this person's answer would not count
    │   ├── QuestionClosed            what was to be approved has changed, or was decided
    │   ├── DeploymentConflict        somebody else changed the role first
    │   └── RollbackUnfinished        some windows of what was rolled back can't be scored again
    └── TransientError                the world's fault: the same call may work later
        ├── SourceUnavailable
        ├── StoreUnavailable          lake, ledger, registry or published table
        ├── NotDelivered              the receiver of an alert did not answer, or could not take it
        ├── WindowBusy                another run is working on this window
        ├── LeaseLost                 another run took this window over while this one was silent
        ├── ErasureUnfinished         rows of the entity came back meanwhile
        └── DeploymentMoved           the champion changed while we scored

`EmptyWindow` and `NotReady` are asked for again until their window's deadline; only after it are they permanent.

Each message says what was tried, what was found and what to do. All are picklable: they carry their message only.
`PermanentError` and `TransientError` become Airflow's failure and retry in one place, under plugins/.
"""

READ_TOO_LONG = "The database is busy, or this is too much for one page: try again later, or ask for fewer windows."


class PerennialError(Exception):
    """The root of every error that Perennial raises on purpose."""


class PermanentError(PerennialError):
    """Wrong until someone changes something; a retry would fail again."""


class TransientError(PerennialError):
    """Something outside failed; the same call may work later."""


class InvalidSpec(PermanentError):
    """A use case's files contradict the rules; the message lists every violation."""


class InvalidSettings(PermanentError):
    """The environment lacks something, or names something that can't be used."""


class InvalidWindow(PermanentError):
    """Not an interval of time, or not one of this use case's windows."""


class UnknownUseCase(PermanentError):
    """No folder of that name among the use cases."""


class SourceRejected(PermanentError):
    """The source answered with data that the spec does not let in."""


class EmptyWindow(SourceRejected):
    """The source has no rows for the window."""


class NotReady(SourceRejected):
    """What says that the window's rows are complete does not say so yet."""


class SchemaMismatch(SourceRejected):
    """Columns are missing, doubled, or of another kind than the spec says."""


class UndecodableText(SourceRejected):
    """Text that is not in the encoding it claims."""


class TooMuchData(SourceRejected):
    """More rows or bytes than the spec's limits."""


class InvalidQuery(PermanentError):
    """The source refused the query itself: syntax, a missing table, a missing right."""


class NotIngested(PermanentError):
    """The window has no snapshot yet."""


class NotValidated(PermanentError):
    """The snapshot has no verdict yet."""


class ChecksDisagree(PermanentError):
    """The same rules, by the same version of the checks, set other rows of the same snapshot aside than before."""


class ValidationFailed(PermanentError):
    """The snapshot's verdict is `fail`."""


class NoModel(PermanentError):
    """No model version holds the role at the effective time."""


class VersionArchived(PermanentError):
    """The model version was archived; the message says which command restores it."""


class UseCaseEnded(PermanentError):
    """The use case was decommissioned; the message says when, by whom and why."""


class FeaturesChanged(PermanentError):
    """The columns have changed since the model was trained: the rows can't give all of its features."""


class ChallengerFailed(PermanentError):
    """A challenger in roll-out could not predict its rows. The champion predicts them; nothing that is served waits."""


class PredictionsNotFinite(PermanentError):
    """Some rows hold numbers that the model can't compute with; the message names them."""


class NotScored(PermanentError):
    """The window has no batch of predictions yet."""


class EntityErased(NotScored):
    """The entity was erased: the message says when and by whom."""


class NotMonitored(PermanentError):
    """The window has no drift report yet."""


class RowsRemoved(PermanentError):
    """The rows of that version were removed by retention; the ledger still knows what they were."""


class RowsExpired(RowsRemoved):
    """The rows went by age: the message says when, by which rule, and what can still be done."""


class RowsErased(RowsRemoved):
    """Of the rows that were committed some are about an entity that was erased; the others are there."""


class RowsLost(RowsRemoved):
    """The lake does not hold what the ledger says that it holds: most often an older lake was brought back."""


class NotReconciled(PermanentError):
    """Stores differ from the ledger in a way that can't be put right without a person; the message says what to do."""


class NotEnoughData(PermanentError):
    """Too few rows or labels for what was asked."""


class TrainingSetRefused(PermanentError):
    """A feature gives the outcome away, or the labels are not what they should be; the message says what to do."""


class AlwaysHolds(PermanentError):
    """The rule is not an expectation: what it caught can't be scored, whoever wishes it."""


class AlreadyAccepted(PermanentError):
    """What the rule caught in this snapshot was accepted before; the message says by whom."""


class SnapshotChanged(PermanentError):
    """The window was ingested anew since somebody looked at it: these are not the rows that were meant."""


class UntrustedModel(PermanentError):
    """A model artefact whose digest or types are not the ones deployed."""


class LibrariesChanged(PermanentError):
    """A model was trained with other libraries; with those that are installed it predicts otherwise, or not at all."""


class NothingKept(LibrariesChanged):
    """A model was trained with other libraries, and no rows were kept of which it is known what it predicted."""


class NotDeployable(PermanentError):
    """A registered model can't be loaded, or does not predict what was kept with it: it is not deployed."""


class NotExportable(PermanentError):
    """The model can't be written in a format, or nothing is installed that writes and scores it."""


class LedgerAltered(PermanentError):
    """Entries of the ledger were changed, removed, put in or reordered; the message names them."""


class InvalidAnchor(PermanentError):
    """What was given as an anchor is none that this version can read."""


class AlertChanged(PermanentError):
    """What an alert is about has changed since somebody looked at it."""


class NotAsked(PermanentError):
    """A person's answer about a row that nobody was asked about, or one that is no outcome."""


class DeliveryRefused(PermanentError):
    """The receiver of an alert answered that it does not take this message."""


class NotApproved(PermanentError):
    """The use case's risk tier asks for people's approval, and there is none for exactly this model."""


class MayNotAnswer(PermanentError):
    """A person without the role for it, or who asked for it, or who answered before, can't approve."""


class QuestionClosed(PermanentError):
    """Nothing is asked, or not what the person was shown: it has changed, or was decided meanwhile."""


class DeploymentConflict(PermanentError):
    """The role was given to another version in the meantime; the message names it."""


class RollbackUnfinished(PermanentError):
    """A model was rolled back, and some of its windows can't be scored again; the message says which and why."""


class SourceUnavailable(TransientError):
    """The source did not answer."""


class StoreUnavailable(TransientError):
    """The lake, the ledger, the registry or the published table did not answer."""


class NotDelivered(TransientError):
    """An alert did not reach its receiver."""


class WindowBusy(TransientError):
    """Another run holds the window."""


class LeaseLost(TransientError):
    """Another run took the window over; what this one was about to write was refused."""


class ErasureUnfinished(TransientError):
    """Rows of an entity came back while it was erased: the message says where they are."""


class DeploymentMoved(TransientError):
    """The deployment that a batch was scored with stopped being the one in force before the batch was recorded."""
