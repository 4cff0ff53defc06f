import { Button, SegmentedControl, Text } from '@mantine/core';
import { IconPlus, IconTemplate } from '@tabler/icons-react';
import { useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import { curl } from '../../components/hints';
import { Page } from '../../components/page';
import { Empty, Failed, Loading } from '../../components/states';
import { count } from '../../lib/format';
import { TemplateDialog } from './dialogs';
import { kindOf, kinds, pathOf, useCounts, useModelTemplates } from './kinds';
import './model.css';
import { Template } from './template';

// ModelPage is what things are made of: templates, their fields and channels.
export default function ModelPage() {
  const params = useParams();
  const kind = kindOf(params.kind);
  const navigate = useNavigate();
  const [making, setMaking] = useState(false);
  const query = useModelTemplates(kind);
  const counts = useCounts(kind).data;
  const templates = query.data ?? [];
  const current = templates.find((t) => t.id === params.id) ?? (params.id ? undefined : templates.find((t) => (t.channelTemplates ?? []).length > 0) ?? templates[0]);
  return (
    <Page title="Model" description="Templates say what devices, end users and groups of a kind have in common."
      hints={[
        { title: 'The templates', command: curl('GET', pathOf(kind, 'templates')) },
        { title: 'A custom field', command: curl('POST', pathOf(kind, 'custom-fields'), { [kind.templateId]: current?.id ?? '…', name: 'floor', fieldType: 'number' }) },
        { title: 'What a change would do', command: curl('POST', `${pathOf(kind, 'custom-fields')}/preview`, { [kind.templateId]: current?.id ?? '…', name: 'floor', fieldType: 'number', required: 'true' }) },
        { title: 'On the command line', command: `xively templates list --of ${kind.key}` },
      ]}
      actions={<Button leftSection={<IconPlus size={16} />} onClick={() => setMaking(true)}>New template</Button>}>
      <div className="model">
        <nav aria-label="Templates">
          <SegmentedControl fullWidth size="xs" aria-label="Templates of" value={kind.key} onChange={(k) => void navigate(`/model/${k}`)} data={kinds.map((k) => ({ value: k.key, label: k.label }))} />
          <div className="card model-list">
            {query.isPending && <Loading />}
            {templates.map((t) => (
              <Link key={t.id} to={`/model/${kind.key}/${t.id}`} className="model-link" aria-current={t.id === current?.id ? 'page' : undefined}>
                <span className="clip">{t.name}</span>
                <Text span size="xs" c="dimmed" className="num">{counts ? count(counts.get(t.id) ?? 0) : ''}</Text>
              </Link>
            ))}
          </div>
        </nav>
        <div style={{ minWidth: 0 }}>
          {query.isError && <Failed error={query.error} again={() => void query.refetch()} />}
          {current && <Template key={current.id + current.version} kind={kind} template={current} count={counts?.get(current.id) ?? 0} />}
          {query.isSuccess && !current && (
            <div className="card"><Empty icon={IconTemplate} title={params.id ? 'There is no template of this id' : 'No templates yet'} action={<Button onClick={() => setMaking(true)}>New template</Button>}>It may have been deleted.</Empty></div>
          )}
        </div>
      </div>
      {making && <TemplateDialog kind={kind} onClose={() => setMaking(false)} onMade={(id) => void navigate(`/model/${kind.key}/${id}`)} />}
    </Page>
  );
}
